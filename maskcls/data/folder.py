"""What `core` needs of a folder to read it; the real folders (disk, S3, GCS) are handed in."""

from collections.abc import Sequence
from typing import Protocol


class Entry(Protocol):
    """One file or folder of a listing."""

    @property
    def name(self) -> str:
        """Path relative to the folder that was listed, with "/" between its parts."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def mtime_ns(self) -> int:
        """Time of the last change, UTC [ns since 1970]."""

    @property
    def is_file(self) -> bool: ...


class DataFolder(Protocol):
    """A folder that is read; every `name` is relative to it, "" is the folder itself."""

    @property
    def location(self) -> str:
        """The full address, as a path or URL."""

    @property
    def shown(self) -> str:
        """The address as the user typed it, for messages."""

    def exists(self, name: str = "") -> bool: ...

    def is_dir(self, name: str = "") -> bool: ...

    def list(self, name: str = "", recursive: bool = False) -> Sequence[Entry]:
        """Files and folders in `name`, hidden ones too, in any order; nothing if it is missing."""

    def read_bytes(self, name: str) -> bytes: ...
