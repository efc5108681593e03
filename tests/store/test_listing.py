"""Listing a local folder; of an object store, see test_object_store.py."""

from pathlib import Path

from maskcls.store.folder import Folder
from maskcls.store.listing import Entry, scan


def test_list_is_sorted_and_says_sizes(tmp_path: Path) -> None:
    folder = Folder.at(tmp_path)
    for name in ("b/2", "b/1", "a", ".hidden"):
        folder.write_bytes(name, name.encode())
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "linked").symlink_to("b")
    entries = {entry.name: entry for entry in folder.list(recursive=True)}
    assert list(entries) == [
        ".hidden", "a", "b", "b/1", "b/2", "b/up", "broken",
        "linked", "linked/1", "linked/2", "linked/up",
    ]  # fmt: skip
    assert entries["b/1"].size_bytes == 3
    assert entries["a"].mtime_ns == (tmp_path / "a").stat().st_mtime_ns
    assert [name for name, entry in entries.items() if entry.is_file] == [
        ".hidden", "a", "b/1", "b/2", "linked/1", "linked/2",
    ]  # fmt: skip
    assert [entry.name for entry in folder.list("b")] == ["1", "2", "up"]


def test_links_that_lead_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "x").symlink_to("../b")
    (tmp_path / "b" / "y").symlink_to("../a")
    (tmp_path / "self").symlink_to("self")
    names = [entry.name for entry in Folder.at(tmp_path).list(recursive=True)]
    assert names == ["a", "a/x", "a/x/y", "b", "b/y", "b/y/x", "self"]


def test_a_missing_folder_has_nothing_in_it(tmp_path: Path) -> None:
    assert scan(tmp_path / "missing", recursive=True) == []


def test_a_dangling_link_is_listed_as_no_file_and_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"12")
    file, link = scan(tmp_path, recursive=True)
    assert (file.name, file.size_bytes, file.is_file) == ("file", 2, True)
    assert link == Entry("link", 0, 0, is_file=False)
