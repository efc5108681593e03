"""Typed records of a run: fold.json, metrics.json, and sample.json, the form of the answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maskcls.core.history import Keep
from maskcls.core.interval import Interval
from maskcls.core.metrics import Score
from maskcls.core.plain import from_plain, to_plain
from maskcls.core.task import MetricName


@dataclass(frozen=True)
class FoldImages:
    """Numbers of rows: that may train, that train in an epoch, of the validation fold."""

    train: int
    train_an_epoch: int
    held_out: int


@dataclass(frozen=True)
class FoldResult:
    """fold.json; written last of a fold, so that a fold which has it is done.

    fold: running number over all repeats. score, metrics: of the kept epoch, see EpochEntry.
    best_epoch: the kept one, from 1: the best, or with train.keep=last the last. checkpoint: its name.
    threads, device, precision, channels_last: what can change the last bits. time_s: start, build,
    train, evaluate, predict, checkpoint [s]. keep: see config.schema.Train.
    """

    fold: int
    score: float | None
    metrics: dict[MetricName, float]
    best_epoch: int
    epochs: int
    images: FoldImages
    checkpoint: str
    model_sha256: str
    threads: int
    device: str
    precision: str
    channels_last: bool
    time_s: dict[str, float]
    keep: Keep = "best"


@dataclass(frozen=True)
class FoldOfRun:
    """A fold's result with its place in the run: repeat, and fold within the repeat, both from 0."""

    repeat: int
    fold: int
    result: FoldResult


@dataclass(frozen=True)
class RepeatScore:
    """Score of one draw of the split; score, metrics: see EpochEntry."""

    repeat: int
    score: float | None
    metrics: dict[MetricName, float]


@dataclass(frozen=True)
class GroupScore:
    """Score of the mean over each group's images, where the answer is one per group.

    score, metrics: see EpochEntry. groups: that were scored; mixed: left out, since their images have
    several labels. interval: of the ranking metric's value, by bootstrap over these groups; None where
    it cannot be told, and in runs of earlier versions.
    """

    score: float | None
    metrics: dict[MetricName, float]
    groups: int
    mixed: int
    interval: Interval | None = None


@dataclass(frozen=True)
class Judged:
    """How sure the out-of-fold score is; numbers are values of the ranking metric, as its name says.

    interval: by bootstrap over groups; None where it cannot be told, as of one group. interval_by: what
    was drawn, such as "60 groups". interval_note: what to know of it. honest: each fold's epoch chosen
    by the other folds of its repeat; last_epoch: each fold's last; None where the logits of such an
    epoch are gone, or there is no other fold. fold_mean, fold_deviation: of the folds' own values.
    calibration_error: expected, of the top probability in 15 equal bins (Guo 2017). confusion: [K][K], a
    row for each label; None of more than 100 classes.
    """

    interval: Interval | None
    interval_by: str
    interval_note: str | None = None
    honest: float | None = None
    last_epoch: float | None = None
    fold_mean: float | None = None
    fold_deviation: float | None = None
    calibration_error: float | None = None
    confusion: list[list[int]] | None = None


@dataclass(frozen=True)
class OutOfFold:
    """The score over all validation folds together; images: rows with logits; faults: rows without.

    by_group: None where the data names no groups, or none of them has one label. judged: what is
    known of the score's certainty; None in runs of earlier versions.
    """

    score: Score
    images: int
    faults: int
    by_group: GroupScore | None = None
    judged: Judged | None = None

    def to_json(self) -> dict[str, object]:
        """The score's keys, the counts, and by_group if there is one."""
        out = self.score.to_json() | {"images": self.images, "faults": self.faults}
        out |= {"by_group": to_plain(self.by_group)} if self.by_group else {}
        return out | (to_plain(self.judged) if self.judged else {})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "OutOfFold":
        """Read to_json back."""
        groups = values.get("by_group")
        return cls(
            Score.from_json(values),
            values["images"],
            values["faults"],
            None if groups is None else from_plain(GroupScore, groups),
            from_plain(Judged, values) if "interval_by" in values else None,
        )


@dataclass(frozen=True)
class Metrics:
    """metrics.json.

    oof: None where no fold has validation rows. repeats: only with several. warning: of
    folds.scheme=image. no_groups: what it means that the data names no groups. no_face_found:
    number of images cropped at the centre for lack of a face, by "train" and "eval". time_s: where the
    command's time went [s].
    """

    oof: OutOfFold | None
    folds: list[FoldOfRun]
    repeats: list[RepeatScore] = field(default_factory=list)
    warning: str | None = None
    no_groups: str | None = None
    no_face_found: dict[str, int] | None = None
    train_faults: int = 0
    eval_faults: int = 0
    time_s: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The file's content: scores and counts in one object, what is None left out."""
        oof = self.oof
        out: dict[str, object] = {
            "oof": oof and oof.to_json(),
            "folds": [
                to_plain(f.result) | {"repeat": f.repeat, "fold": f.fold} for f in self.folds
            ],
        }
        # A key that is present means that there is something to read in it: people read this file.
        if self.repeats:
            out["repeats"] = [to_plain(repeat) for repeat in self.repeats]
        for name in ("warning", "no_groups", "no_face_found"):
            if getattr(self, name) is not None:
                out[name] = getattr(self, name)
        return out | {
            "train_faults": self.train_faults,
            "eval_faults": self.eval_faults,
            "time_s": self.time_s,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Metrics":
        """Read to_json back."""
        oof, folds = values["oof"], values["folds"]
        # "fold" is the place within the repeat; the running number is computed from both.
        per_repeat = 1 + max((f["fold"] for f in folds), default=0)
        return cls(
            oof=oof and OutOfFold.from_json(oof),
            folds=[
                FoldOfRun(
                    f["repeat"],
                    f["fold"],
                    from_plain(FoldResult, f | {"fold": f["repeat"] * per_repeat + f["fold"]}),
                )
                for f in folds
            ],
            repeats=[from_plain(RepeatScore, r) for r in values.get("repeats", ())],
            warning=values.get("warning"),
            no_groups=values.get("no_groups"),
            no_face_found=values.get("no_face_found"),
            train_faults=values["train_faults"],
            eval_faults=values["eval_faults"],
            time_s=values["time_s"],
        )


@dataclass(frozen=True)
class Sample:
    """sample.json: the rows of a sample submission, which those of the answers are, in its order.

    where: its file's name, for messages. columns: its header. image: that one of them which names the
    image (or, with answers by group, the group). images: these names as written, without doubles.
    """

    where: str
    columns: tuple[str, ...]
    image: str
    images: tuple[str, ...]
