"""The journal of finished chunks: what was written is read, what was cut is skipped."""

from pathlib import Path

from maskcls.pixels.journal import ChunkStatus, add_line, read_lines

FIRST = ChunkStatus(0, 256, 7, {3: "the file is empty", 200: "cut\udcff"}, (1, 5))
SECOND = ChunkStatus(256, 300, 2**32 - 1, {})


def test_chunks_are_read_as_they_were_added(tmp_path: Path) -> None:
    for chunk in (SECOND, FIRST):
        add_line(tmp_path / "chunks.jsonl", chunk)
    assert list(read_lines(tmp_path / "chunks.jsonl")) == [SECOND, FIRST]


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "chunks.jsonl")) == []


def test_a_line_that_was_cut_costs_only_its_chunk(tmp_path: Path) -> None:
    path = tmp_path / "chunks.jsonl"
    add_line(path, FIRST)
    path.write_bytes(path.read_bytes()[:-30])
    add_line(path, SECOND)
    assert list(read_lines(path)) == [SECOND]


def test_lines_of_another_form_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "chunks.jsonl"
    path.write_bytes(b'[]\n3\n{"start": 0}\nnonsense\n\xff\n')
    add_line(path, SECOND)
    assert list(read_lines(path)) == [SECOND]
