"""A run's folder: the one place that knows the names of its files, and the type of each one's content.

    RUN/config.json network.json faults.json             settings, network, images not decoded
    RUN/task.json sample.json                            the task, see core/task.py; rows of the answers
    RUN/record.json metrics.json                         see store/record.py, store/results.py
    RUN/notes.jsonl                                      what users wrote about it: store/notes.py
    RUN/table.parquet eval_table.parquet folds.parquet   what is trained on, and the split
    RUN/extra_table.parquet pseudo.parquet               more training rows, if any
    RUN/oof.parquet eval.parquet                         logits of all folds
    RUN/fold-K/attempt.json progress.json history.jsonl  while it trains
    RUN/fold-K/checkpoints/                              see training/checkpoint.py
    RUN/fold-K/held_out/epoch-NNNN.parquet               validation logits of each epoch
    RUN/fold-K/eval_logits.parquet                       eval logits of the kept epoch
    RUN/fold-K/fold.json                                 written last: the fold is done
    RUN/ray/                                             Ray Train's records, on a cluster

Folds are numbered over all repeats: fold-K is fold K % n of repeat K // n, with n `Folds.per_repeat`.
"""

import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from maskcls.config.resolve import from_json, to_json
from maskcls.config.schema import Config
from maskcls.core.errors import UserError
from maskcls.core.history import EpochEntry, Keep
from maskcls.core.plain import from_plain, to_plain
from maskcls.core.progress import FoldState
from maskcls.core.task import MetricName, Task
from maskcls.store.attempt import Attempt
from maskcls.store.folder import Folder
from maskcls.store.heartbeat import Heartbeat
from maskcls.store.notes import Note, read_notes, write_notes
from maskcls.store.record import Record
from maskcls.store.results import FoldResult, Metrics, Sample
from maskcls.store.tables import logits_column, write_table

TABLE, EVAL_TABLE, FOLDS = "table.parquet", "eval_table.parquet", "folds.parquet"
EXTRA_TABLE, PSEUDO = "extra_table.parquet", "pseudo.parquet"
OOF, EVAL = "oof.parquet", "eval.parquet"
EVAL_LOGITS = "eval_logits.parquet"
_CONFIG, _NETWORK, _RECORD = "config.json", "network.json", "record.json"
_TASK, _SAMPLE = "task.json", "sample.json"
_NOTES = "notes.jsonl"
_FAULTS, _METRICS = "faults.json", "metrics.json"
_RESULT, _HISTORY, _PROGRESS, _ATTEMPT = (
    "fold.json",
    "history.jsonl",
    "progress.json",
    "attempt.json",
)

_COLLECT_AGAIN = "delete it, and the same train command collects the folds again"

T = TypeVar("T")
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Network:
    """network.json: what the network is, determined by the preflight.

    mean, std: of the pixels that the backbone was trained with, on 0..1. weights_sha256: SHA-256 of each
    file of initial weights, by its path (or "hub:NAME").
    """

    parameters: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channels_last: bool
    weights_sha256: dict[str, str]


@dataclass(frozen=True)
class Faults:
    """faults.json: why images could not be decoded: path (eval: ImageID) -> reason."""

    train: dict[str, str]
    eval: dict[str, str]
    extra: dict[str, str]


@dataclass(frozen=True)
class Run:
    """A run's folder, whether it exists yet or not; `open` refuses a folder that is not a run."""

    folder: Folder

    @classmethod
    def at(cls, location: str) -> Self:
        """The run at a local path or URI, whether it exists yet or not."""
        return cls(Folder.at(location))

    @classmethod
    def open(cls, folder: Folder) -> Self:
        """An existing run; UserError for any other folder."""
        run = cls(folder)
        if not run.exists:
            raise UserError(
                f"{folder}: this is not a run's folder; name one that maskcls train has written."
            )
        return run

    def __str__(self) -> str:
        return self.folder.shown

    @property
    def exists(self) -> bool:
        """Whether a command has begun to write the run."""
        return self.folder.exists(_CONFIG)

    @property
    def is_prepared(self) -> bool:
        """Whether the first files are all there: the split is written last."""
        return self.folder.exists(FOLDS)

    @property
    def has_eval(self) -> bool:
        """Whether the run was made with eval images."""
        return self.folder.exists(EVAL_TABLE)

    def refuse_other_content(self) -> None:
        """UserError for a folder with other content than a run; nothing in it is touched."""
        refuse_other_content(self.folder, self.exists)

    # The files of the run

    @cached_property
    def config(self) -> Config:
        """The settings; values that came later than the run have their defaults.

        Raises UserError for a run of another format, which the record names.
        """
        self.record()

        def build(values: Mapping[str, Any]) -> Config:
            try:
                return from_json(values)
            except UserError as e:
                why = "; ".join(line.rstrip(".") for line in str(e).splitlines())
                raise UserError(
                    f"{self}/{_CONFIG}: {why}; restore the file, or use the version that wrote it."
                ) from e

        return self._read(_CONFIG, build, "restore the file")

    @cached_property
    def task(self) -> Task:
        """What the run learns; UserError as for config, and when the file is missing."""
        self.record()
        if not self.has_task:
            # Without it a prepared run could be of another metric or other class names: nobody knows.
            what = "restore it" if self.is_prepared else "run the same train command again"
            raise UserError(f"{self}/{_TASK}: the file is missing; {what}, or use another --run.")
        return self._read(_TASK, Task.from_json, "restore the file")

    @property
    def has_task(self) -> bool:
        """Whether task.json is there."""
        return self.folder.exists(_TASK)

    def write_task(self, task: Task) -> None:
        """Write task.json."""
        self.folder.write_json(_TASK, task.to_json())

    def sample(self) -> Sample | None:
        """The sample submission whose rows the answers have; None for those of the eval images."""
        if not self.folder.exists(_SAMPLE):
            return None
        return from_plain(Sample, self.folder.read_json(_SAMPLE))

    def write_sample(self, sample: Sample) -> None:
        """Write sample.json."""
        self.folder.write_json(_SAMPLE, to_plain(sample))

    def config_bytes(self) -> bytes:
        """config.json as it is, for its fingerprint."""
        return self.folder.read_bytes(_CONFIG)

    def write_config(self, config: Config) -> None:
        """Write config.json."""
        self.folder.write_json(_CONFIG, to_json(config))

    def network(self) -> Network | None:
        """What the network is; None before the first preflight."""
        if not self.folder.exists(_NETWORK):
            return None
        return from_plain(Network, self.folder.read_json(_NETWORK))

    def write_network(self, network: Network) -> None:
        """Write network.json."""
        self.folder.write_json(_NETWORK, to_plain(network))

    def record(self) -> Record | None:
        """Where the run came from and who worked on it; None before the first start."""
        if not self.folder.exists(_RECORD):
            return None

        def build(values: Mapping[str, Any]) -> Record:
            return Record.from_json(values, f"{self}/{_RECORD}")

        return self._read(_RECORD, build, "restore the file")

    def write_record(self, record: Record) -> None:
        """Write record.json."""
        self.folder.write_json(_RECORD, to_plain(record))

    def faults(self) -> Faults:
        """Images that could not be decoded."""
        return from_plain(Faults, self.folder.read_json(_FAULTS))

    def write_faults(self, faults: Faults) -> None:
        """Write faults.json."""
        self.folder.write_json(_FAULTS, to_plain(faults))

    def metrics(self) -> Metrics | None:
        """The run's scores; None before all folds were collected. UserError for a damaged file."""
        if not self.folder.exists(_METRICS):
            return None
        return self._read(_METRICS, Metrics.from_json, _COLLECT_AGAIN)

    def write_metrics(self, metrics: Metrics) -> None:
        """Write metrics.json, last of the run."""
        self.folder.write_json(_METRICS, metrics.to_json())

    def oof_interval(self) -> tuple[float, float] | None:
        """95 % interval of the ranking metric's value; None without metrics, or in older ones."""
        if not self.folder.exists(_METRICS):
            return None

        def build(values: Mapping[str, Any]) -> tuple[float, float] | None:
            found = (values["oof"] or {}).get("interval")
            return None if not found else (found["low"], found["high"])

        return self._read(_METRICS, build, _COLLECT_AGAIN)

    def _read(self, name: str, build: Callable[[Mapping[str, Any]], T], advice: str) -> T:
        """A JSON file as build makes it; UserError, with the file and the advice, where it cannot."""
        values = self.folder.read_json(name)
        if not isinstance(values, Mapping):
            raise UserError(f"{self}/{name}: damaged, it holds no JSON object; {advice}.")
        try:
            return build(values)
        except KeyError as e:
            raise UserError(f"{self}/{name}: damaged, {e} is missing; {advice}.") from e
        except (AttributeError, IndexError, TypeError, ValueError) as e:
            why = str(e).partition("\n")[0][:200]
            raise UserError(f"{self}/{name}: damaged ({why}); {advice}.") from e

    def notes(self) -> list[Note]:
        """What users wrote about the run, oldest first."""
        return read_notes(self.folder, _NOTES)

    def add_note(self, note: Note) -> None:
        """Add a note; allowed while a command works on the run, whose files it does not touch."""
        write_notes(self.folder, _NOTES, [*self.notes(), note])

    @property
    def is_collected(self) -> bool:
        """Whether metrics and the tables of all folds' logits are there."""
        names = (_METRICS, OOF, EVAL) if self.has_eval else (_METRICS, OOF)
        return all(map(self.folder.exists, names))

    @property
    def probe_file(self) -> str:
        """The file that other machines try to read when they check whether they reach the folder."""
        return _RECORD

    @property
    def ray_records(self) -> Folder:
        """Where Ray Train keeps what its dashboard shows, on a cluster."""
        return self.folder.child("ray")

    def fold(self, number: int) -> "Fold":
        """A fold by its running number."""
        return Fold(self.folder, number)

    def folds(self) -> "list[Fold]":
        """All folds that the settings ask for."""
        return [self.fold(number) for number in range(self.config.folds.total)]


def is_run_with(names: Container[str]) -> bool:
    """Whether a folder with files of these names is a run."""
    return _CONFIG in names and (_RECORD in names or _TASK in names)


def refuse_other_content(folder: Folder, is_ours: bool) -> None:
    """UserError for a folder that is not a run and has more than hidden files in it."""
    # Hidden files are fine: an earlier command may have left its .lease. So is task.json, the first
    # file of a run, alone.
    if not is_ours and any(not _may_be_first(entry.name) for entry in folder.list()):
        raise UserError(f"{folder}: this folder is not empty and is not a run; name another one.")


def _may_be_first(name: str) -> bool:
    return name.startswith(".") or name == _TASK


@dataclass(frozen=True)
class Fold:
    """A fold's folder in a run."""

    run: Folder
    number: int

    @property
    def folder(self) -> Folder:
        """fold-K."""
        return self.run.child(f"fold-{self.number}")

    @property
    def checkpoints(self) -> Folder:
        """fold-K/checkpoints."""
        return self.folder.child("checkpoints")

    @property
    def is_done(self) -> bool:
        """Whether the fold has its result."""
        return self.folder.exists(_RESULT)

    def result(self) -> FoldResult | None:
        """The fold's result; None while it is not done."""
        if not self.is_done:
            return None
        return from_plain(FoldResult, self.folder.read_json(_RESULT))

    def write_result(self, result: FoldResult) -> None:
        """Write fold.json, last of the fold."""
        self.folder.write_json(_RESULT, to_plain(result))

    def forget_result(self) -> None:
        """Mark the fold as not done; its checkpoints stay."""
        self.folder.delete(_RESULT)

    def history(self) -> list[EpochEntry]:
        """The finished epochs; [] before the first, or while the storage does not answer."""
        # Read each second for the screen: a storage that is away for a moment must not end the command.
        try:
            lines = self.folder.read_text(_HISTORY).splitlines()
            return [from_plain(EpochEntry, json.loads(line)) for line in lines]
        except (OSError, ValueError, KeyError, UserError):
            return []

    def write_history(self, history: list[EpochEntry]) -> None:
        """Write history.jsonl: a line of JSON per epoch."""
        # Whole each time, since an object store has no appending, and a resumed fold may have fewer.
        text = "".join(json.dumps(to_plain(entry)) + "\n" for entry in history)
        self.folder.write_bytes(_HISTORY, text.encode())

    def heartbeat(self) -> Heartbeat | None:
        """The worker's last report; None before the first, or while the storage does not answer."""
        try:
            return from_plain(Heartbeat, self.folder.read_json(_PROGRESS))
        except (OSError, ValueError, KeyError, UserError):
            return None

    def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Write progress.json."""
        self.folder.write_json(_PROGRESS, to_plain(heartbeat))

    def attempt(self) -> Attempt | None:
        """The attempt that may write here; None where the driver has begun none."""
        if not self.folder.exists(_ATTEMPT):
            return None
        return from_plain(Attempt, self.folder.read_json(_ATTEMPT))

    def write_attempt(self, attempt: Attempt) -> None:
        """Give the fold to an attempt: from now on every other one is refused."""
        self.folder.write_json(_ATTEMPT, to_plain(attempt))

    def state(
        self,
        epochs: int,
        heartbeat: Heartbeat | None,
        metric: MetricName = "macro_f1",
        keep: Keep = "best",
    ) -> FoldState:
        """How far the fold is, by its files; heartbeat: the report of its worker, unless outdated.

        metric: of the run's task. keep: of the run's settings.
        """
        state = FoldState(self.number, epochs, metric=metric, keep=keep)
        if heartbeat is not None:
            heartbeat.show_in(state)
            state.attempt = heartbeat.attempt
        state.history = self.history()
        # A worker may end before it has reported that it is done; the result file decides.
        if self.is_done:
            state.phase, state.left_s = "done", None
        return state

    # Logits: rows in the order of the table that they are rows of

    def held_out_name(self, epoch: int) -> str:
        """Path, within the fold's folder, of an epoch's validation logits; epoch: from 1."""
        return f"held_out/epoch-{epoch:04d}.parquet"

    def write_held_out(self, epoch: int, rows: Int64, logits: Float32) -> None:
        """Write an epoch's validation logits; rows of table.parquet [M], logits [M, K]."""
        self._write_logits(self.held_out_name(epoch), rows, logits)

    def write_eval_logits(self, rows: Int64, logits: Float32) -> None:
        """Write the kept epoch's eval logits; rows of eval_table.parquet [M], logits [M, K]."""
        self._write_logits(EVAL_LOGITS, rows, logits)

    def has_logits(self, result: FoldResult, with_eval: bool) -> bool:
        """Whether a done fold still has the logits that the run is collected from."""
        names = [self.held_out_name(result.best_epoch), *([EVAL_LOGITS] if with_eval else [])]
        return all(map(self.folder.exists, names))

    def _write_logits(self, name: str, rows: Int64, logits: Float32) -> None:
        column = logits_column(logits, np.ones(len(logits), bool))
        write_table(self.folder, name, pa.table({"row": rows, "logits": column}))
