"""Notes of a run: one line of JSON each, replaced whole."""

from pathlib import Path

import pytest

from maskcls.core.errors import UserError
from maskcls.store.folder import Folder
from maskcls.store.notes import Note, read_notes, write_notes

NOTES = [
    Note("2026-11-28T00:00:00+00:00", "두 줄\nof text", ("a", "b")),
    Note("2026-11-29T00:00:00+00:00", "", ("c",)),
]


def test_what_is_written_is_read(tmp_path: Path):
    folder = Folder.at(tmp_path)
    assert read_notes(folder, "notes.jsonl") == []
    write_notes(folder, "notes.jsonl", NOTES)
    assert read_notes(folder, "notes.jsonl") == NOTES
    text = (tmp_path / "notes.jsonl").read_text(encoding="utf-8")
    assert text.count("\n") == 2
    assert "두 줄" in text  # to be read without maskcls, too
    write_notes(folder, "notes.jsonl", NOTES[:1])
    assert read_notes(folder, "notes.jsonl") == NOTES[:1]


@pytest.mark.parametrize("damage", ["{", "[]\n", '{"time": "now"}\n', '"text"\n'])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str):
    (tmp_path / "notes.jsonl").write_text(damage)
    with pytest.raises(UserError, match="not a note per line"):
        read_notes(Folder.at(tmp_path), "notes.jsonl")
