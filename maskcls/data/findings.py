"""What is wrong or odd in the data: faults stop the command, findings are only reported."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from maskcls.core.errors import UserError
from maskcls.core.names import IMAGE_EXTENSIONS, printable, split_extension

Kind = Literal[
    "contradiction",  # train.csv and a folder's name differ in gender or age
    "value_names",  # age groups named after other borders than the task has
    "double_id",  # one id for several people
    "columns",  # columns that are not used, or that are usual and missing
    "hidden_files",  # hidden files and junk, counted
    "unread_files",  # files of extensions that are not read, counted
    "unknown_files",  # neither a known shot nor a known extension
    "missing_shots",  # a person with fewer than seven images
    "no_images",  # a row of the CSV without its image or images
    "no_row",  # images, or a folder of them, that no row of the CSV names
    "no_class",  # images outside of the folders that are classes
    "empty_class",  # a class, or a folder that would be one, without an image
    "deeper_folders",  # images in folders within a class's folder
    "eval_missing",  # a row of the CSV of eval without its image
    "eval_extra",  # files among the images of eval that its CSV does not name
    "eval_empty",  # a folder of eval with nothing that is read
]


@dataclass(frozen=True)
class Finding:
    """An oddity that stops nothing; `maskcls check` shows it."""

    kind: Kind
    where: str
    text: str


class Findings:
    """Collects findings; a maximum of `limit` of a kind is kept, the rest is counted.

    Without a limit, a wrongly copied data set would fill memory and screen with one sentence.
    where: the place named for counted files.
    """

    def __init__(self, limit: int = 50, where: str = "DATA") -> None:
        self._limit, self._where = limit, where
        self._kept: dict[Kind, list[Finding]] = {}
        self._num_dropped: dict[Kind, int] = {}
        self._hidden: list[str] = []
        self._num_hidden = 0
        self._unread: Counter[str] = Counter()
        self._first_unread = ""

    def add(self, kind: Kind, where: str, text: str) -> None:
        """Keep or count one finding."""
        kept = self._kept.setdefault(kind, [])
        if len(kept) < self._limit:
            kept.append(Finding(kind, printable(where), printable(text)))
        else:
            self._num_dropped[kind] = self._num_dropped.get(kind, 0) + 1

    def skip_hidden(self, name: str) -> None:
        """Count a hidden or junk file; all of them become one finding."""
        self._num_hidden += 1
        # Three names are examples enough, however many files there are.
        if len(self._hidden) < 3:
            self._hidden.append(name)

    def skip_unread(self, name: str) -> None:
        """Count a file if its extension is not one that is read; all become one finding."""
        # Of the last part only: a folder's name may have a dot.
        extension = split_extension(name.rpartition("/")[2])[1]
        if extension not in IMAGE_EXTENSIONS:
            self._unread[extension or "without extension"] += 1
            self._first_unread = self._first_unread or name

    def collected(self) -> tuple[Finding, ...]:
        """All findings, kind by kind, in the order of each kind's first finding."""
        found: list[Finding] = []
        for kind, kept in self._kept.items():
            found += kept
            if kind in self._num_dropped:
                text = f"... and {self._num_dropped[kind]} more like these"
                found.append(Finding(kind, kept[-1].where, text))
        if self._num_hidden:
            more = ", ..." if self._num_hidden > len(self._hidden) else ""
            text = f"{self._num_hidden} hidden or junk files ignored: {', '.join(self._hidden)}"
            found.append(Finding("hidden_files", self._where, printable(text + more)))
        if self._unread:
            found.append(Finding("unread_files", self._where, printable(self._unread_text())))
        return tuple(found)

    def _unread_text(self) -> str:
        # The most frequent first; of equal ones by name, so that the text is always the same.
        most = sorted(self._unread.items(), key=lambda item: (-item[1], item[0]))
        text = ", ".join(f"{num:,} {extension}" for extension, num in most[:8])
        if len(most) > 8:
            text += f", {sum(num for _, num in most[8:]):,} of {len(most) - 8} other extensions"
        return (
            f"not read, only {', '.join(IMAGE_EXTENSIONS)} are: {text}, such as"
            f" {self._first_unread}; convert images among them"
        )


class Faults:
    """Collects what is wrong with the input, so that one message reports all of it."""

    # Ten lines still fit on a screen.
    def __init__(self, limit: int = 10) -> None:
        self._limit = limit
        self._lines: list[str] = []
        self._num = 0

    def add(self, where: str, text: str) -> None:
        """Add a fault: a sentence with the problem and the remedy, without its full stop."""
        self._num += 1
        if len(self._lines) < self._limit:
            self._lines.append(printable(f"{where}: {text}"))

    def raise_if_any(self) -> None:
        """UserError with a line for each fault (the first ten), nothing if there is none."""
        if not self._num:
            return
        lines = list(self._lines)
        if self._num > len(lines):
            lines.append(f"... and {self._num - len(lines)} more")
        raise UserError("\n".join(lines))
