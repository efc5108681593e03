"""The finished chunks of a pixel file, one JSON line each, so that a killed command can be resumed.

The lines are hints: each chunk's bytes are compared with their checksum before they are used again, so
a line that was cut, or bytes that never reached the disk, only cost their chunk.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ChunkStatus:
    """What filling a chunk returns: its rows' faults and fallbacks, the checksum of its bytes.

    start, stop: its rows; faults: {row: reason}; fallbacks: rows without a face, ascending.
    """

    start: int
    stop: int
    crc32: int
    faults: Mapping[int, str]
    fallbacks: tuple[int, ...] = ()


def add_line(file: Path, chunk: ChunkStatus) -> None:
    """Append a chunk; later readers find it even if this process is killed.

    Several processes may do so at once: a line is one write to the end of the file.
    """
    values = {
        "start": chunk.start,
        "stop": chunk.stop,
        "crc32": chunk.crc32,
        "faults": {str(row): why for row, why in sorted(chunk.faults.items())},
        "fallbacks": list(chunk.fallbacks),
    }
    # ASCII: a file name in a reason need not be UTF-8. The newline in front ends a line that was cut
    # by a kill. Not flushed to the disk: after a power failure the checksums decide.
    with file.open("ab", buffering=0) as out:
        out.write(f"\n{json.dumps(values)}\n".encode())


def read_lines(file: Path) -> Iterator[ChunkStatus]:
    """The chunks of a journal, in the order of its lines; none when there is no journal."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            values = json.loads(line)
            faults = {int(row): str(why) for row, why in values["faults"].items()}
            start, stop, crc32 = (int(values[name]) for name in ("start", "stop", "crc32"))
            chunk = ChunkStatus(start, stop, crc32, faults, tuple(map(int, values["fallbacks"])))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # cut short, or empty
        yield chunk
