"""Relations between settings, checked before anything starts: each contradiction is one sentence."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maskcls.config.schema import Config

_BRANCHES = ("head.name", ("branches", "separate"))
NEEDS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "optim.gamma": ("optim.schedule", ("step", "multistep")),
    "optim.milestones": ("optim.schedule", ("multistep",)),
    "optim.min_lr": ("optim.schedule", ("cosine", "restarts")),
    "optim.restart_epochs": ("optim.schedule", ("restarts",)),
    "optim.sam_rho": ("optim.name", ("sam",)),
    "optim.sam_base": ("optim.name", ("sam",)),
    "head.age": _BRANCHES,
    "head.merge": _BRANCHES,
    "head.mask_weight": _BRANCHES,
    "head.gender_weight": _BRANCHES,
    "head.age_weight": _BRANCHES,
    "folds.share": ("folds.scheme", ("holdout",)),
    "folds.count": ("folds.scheme", ("auto", "kfold", "image")),
    "tta.share": ("tta.crops", (5,)),
    "train.patience": ("folds.scheme", ("auto", "kfold", "holdout", "given", "image")),
}
"""Setting -> the setting that it depends on, and the values under which it has an effect. A
user who sets it without them expects an effect, so it is refused; a preset may set it in advance."""


def idle(name: str, config: "Config") -> str | None:
    """A sentence when this setting, given by the user, has no effect; None otherwise."""
    # The default is fine: it asks for nothing, and files written by hand often repeat defaults.
    if name not in NEEDS or _value(config, name) == _default(*_split(config, name)):
        return None
    other, values = NEEDS[name]
    now = _value(config, other)
    if now in values:
        return None
    return f"{name} belongs to {other}={' or '.join(map(str, values))}, and it is {now}"


def _split(config: "Config", name: str) -> tuple[Any, str]:
    section, key = name.split(".")
    return getattr(config, section), key


def _value(config: "Config", name: str) -> Any:
    return getattr(*_split(config, name))


def check(config: "Config") -> None:
    """Raise ValueError with the first contradiction's sentence."""
    for rule in (_placement, _folds, _head, _rows, _augment, _optim, _loss):
        if sentence := rule(config):
            raise ValueError(sentence)


def shared_gpu(workers: int, share: float) -> str:
    """Why the workers of a fold cannot have this share of a GPU each."""
    # NCCL refuses two workers of one group on one GPU, and Ray may put them there.
    return (
        f"cluster.workers_per_fold={workers} needs cluster.gpus_per_worker above 0.5, which is"
        f" {share:g}: the workers of a fold must not share a GPU"
    )


def names_in(text: str) -> tuple[str, ...]:
    """The parts that a sum names: "f1+focal" is f1 and focal, "none" nothing."""
    return () if text == "none" else tuple(part.strip() for part in text.split("+"))


def _placement(config: "Config") -> str | None:
    share = config.cluster.gpus_per_worker
    if share > 1:
        # Ray would reserve several, and torch would use the first only.
        return (
            f"cluster.gpus_per_worker={share:g}: a worker uses one GPU; to train a fold on several,"
            " set cluster.workers_per_fold"
        )
    gpus, workers = config.cluster.gpus, config.cluster.workers_per_fold
    if (
        workers > 1 and share <= 0.5 and gpus not in ("auto", 0)
    ):  # with auto, cluster/plan.py checks it
        return shared_gpu(workers, share)
    if config.train.batch_size < 2 * config.cluster.workers_per_fold:
        # An epoch's batches may be half of batch_size, and no worker's share of one may be empty.
        return (
            "train.batch_size must be at least twice cluster.workers_per_fold:"
            " BatchNorm needs at least 2 samples per worker"
        )
    return None


def _folds(config: "Config") -> str | None:
    scheme = config.folds.scheme
    if scheme in ("auto", "kfold", "image") and config.folds.count < 2:
        return (
            "folds.count=1: the minimum is two folds; set 2 or more, or folds.scheme=holdout or all"
        )
    if scheme == "all" and config.folds.repeats > 1:
        return "folds.repeats draws several splits, and folds.scheme=all has none; vary train.seed"
    # The groups that a fold of images holds out have other images in training: the predictions of a
    # fold would leak them.
    if scheme == "image" and config.rows.pseudo_labels != "none":
        return "rows.pseudo_labels needs folds of groups, and folds.scheme=image has none"
    return None


def _head(config: "Config") -> str | None:
    head = config.head
    if head.name != "single" and not head.mask_weight + head.gender_weight + head.age_weight:
        return "head.mask_weight, head.gender_weight and head.age_weight must not all be 0"
    return None


def _rows(config: "Config") -> str | None:
    rows = config.rows
    if rows.augment == "copies" and not rows.oversample.factors:
        return "rows.augment=copies augments the copies that rows.oversample adds, and it adds none"
    if rows.augment == "copies" and config.augment.name == "none":
        return "rows.augment=copies needs something to augment with: augment.name is none"
    if rows.sampler == "weighted" and rows.oversample.factors:
        return "rows.sampler=weighted and rows.oversample both balance the classes; use one"
    confident = rows.pseudo_confidence != _default(rows, "pseudo_confidence")
    if confident and rows.pseudo_labels == "none":
        return "rows.pseudo_confidence belongs to rows.pseudo_labels, which is none"
    return None


def _augment(config: "Config") -> str | None:
    names = names_in(config.augment.name)
    if len(set(names)) < len(names):
        return f"augment.name={config.augment.name} names a transform twice"
    return None


def _optim(config: "Config") -> str | None:
    optim = config.optim
    # Which of two averages would be evaluated and kept is not defined.
    if optim.ema and optim.swa_epochs:
        return "optim.ema and optim.swa_epochs both average the weights; use one"
    if optim.swa_epochs > config.train.epochs:
        return "optim.swa_epochs must not be above train.epochs"
    # swa averages the last epochs, and early stopping decides only afterwards which are the last.
    if optim.swa_epochs and config.train.patience:
        return "train.patience may stop before optim.swa_epochs begin; use one"
    if optim.warmup_epochs >= config.train.epochs:
        return "optim.warmup_epochs must be below train.epochs"
    if optim.schedule == "onecycle" and optim.warmup_epochs:
        return "optim.schedule=onecycle has its own warm-up; leave optim.warmup_epochs at 0"
    if optim.min_lr >= optim.lr:
        return "optim.min_lr must be below optim.lr"
    if list(optim.milestones) != sorted(set(optim.milestones)):
        return "optim.milestones must be increasing"
    return None


def _loss(config: "Config") -> str | None:
    names, loss = names_in(config.loss.name), config.loss
    if len(set(names)) < len(names):
        return f"loss.name={loss.name} names a loss twice"
    if loss.weights and len(loss.weights) != len(names):
        return f"loss.weights has {len(loss.weights)} numbers for loss.name={loss.name}"
    if "ldam" in names and len(names) > 1:
        return "loss.name: ldam has cosine logits of its own scale and cannot be added to others"
    if "ldam" in names and config.head.name != "single":
        return "loss.name=ldam needs the cosine logits of head.name=single"
    return None


def _default(section: Any, name: str) -> Any:
    return getattr(type(section)(), name)
