"""Every setting there is: one frozen dataclass a section, a docstring under each field.

The docstring is what --help prints; the unit closes it in brackets. Bounds are checked once, in
resolve.py. Relations between settings are checked in Config.__post_init__, before anything starts.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le

from maskcls.config.sizes import Crop, Size

Auto = Literal["auto"]


class Section:
    """Base of all sections: unknown names, inf and nan are refused."""

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False, "strict": False}  # noqa: RUF012


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The network."""

    backbone: str = "efficientnet_b0"
    """Backbone: any timm model, with or without a pretrained tag."""
    weights: str = "hub"
    """Initial weights of the backbone: hub, none, or the path of a safetensors file."""
    head: str = "single"
    """Head: single is one 18-way linear layer."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Memory layout; auto takes channels_last for the families where it pays."""


@dataclass(frozen=True, kw_only=True)
class Image(Section):
    """What becomes of a photo before the network sees it; in training, eval and predict alike."""

    crop: Crop = Crop(Size(384, 384))  # noqa: RUF009 (frozen)
    """Crop, before resizing: none, or center:HEIGHTxWIDTH [px]."""
    size: Size = Size(384, 384)  # noqa: RUF009 (frozen)
    """Size that the network sees, HEIGHTxWIDTH [px]."""


@dataclass(frozen=True, kw_only=True)
class Folds(Section):
    """Who validates whom."""

    count: Annotated[int, Ge(2), Le(1000)] = 5
    """Number of folds over people, stratified on gender x age group."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of the folds."""


@dataclass(frozen=True, kw_only=True)
class Train(Section):
    """The training loop."""

    epochs: Annotated[int, Ge(1)] = 20
    """Passes over the training rows."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Most images per update over all workers of a fold; an epoch is divided evenly [images]."""
    seed: Annotated[int, Ge(0)] = 0
    """Seed of initial values, order of batches and dropout."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic; auto is bfloat16 AMP on a GPU that has it, float32 elsewhere."""
    checkpoint_s: Annotated[float, Gt(0)] = 600.0
    """Longest time between two checkpoints within an epoch; every epoch ends with one [s]."""


@dataclass(frozen=True, kw_only=True)
class Optim(Section):
    """Optimizer and learning-rate schedule."""

    name: str = "adam"
    """Optimizer, by timm's or torch's name in lower case."""
    lr: Annotated[float, Gt(0)] = 1e-3
    """Learning rate of the first epoch."""
    gamma: Annotated[float, Gt(0), Le(1)] = 0.794
    """Factor on the learning rate after each epoch (StepLR) [per epoch]."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Weight decay, as the optimizer defines it."""


@dataclass(frozen=True, kw_only=True)
class Loss(Section):
    """The loss; a loss's own settings stand under its name, as loss.NAME.SETTING."""

    name: str = "cross_entropy"
    """Loss, by the name of its file in maskcls/losses."""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cluster(Section):
    """How the work is placed. Nothing here but workers_per_fold and threads can change a number."""

    gpus: Annotated[int, Ge(0)] | Auto = "auto"
    """GPUs for all folds: auto takes what is there, N asks for N and waits, 0 is the CPU."""
    workers_per_fold: Annotated[int, Ge(1)] = 1
    """Workers that train one fold together (DDP)."""
    gpus_per_worker: Annotated[float, Gt(0)] = 1.0
    """Share of a GPU for each worker: 0.5 puts two on one GPU; above 1 must be whole [GPUs]."""
    folds_at_once: Annotated[int, Ge(1)] | Auto = "auto"
    """Most folds that train at the same time; auto fills the GPUs, or the cores without one."""
    threads: Annotated[int, Ge(1)] | Auto = "auto"
    """Threads of a worker; auto divides the cores. Recorded, as it can change the last bits."""
    resources_per_worker: dict[str, float] = field(default_factory=dict)
    """Further Ray resources each worker asks for, such as {fake_gpu = 1}."""
    retries: Annotated[int, Ge(0)] = 3
    """How often a fold lost to the system (not to an error) is started again."""
    stall_s: Annotated[float, Gt(0)] = 1800.0
    """A fold that reports nothing for this long counts as lost [s]."""
    cache_dir: str = "auto"
    """Folder for decoded pixels; auto is $MASKCLS_CACHE, else ~/.cache/maskcls."""
    dashboard: bool = True
    """Start Ray's dashboard with a local run."""


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """The whole configuration of a run; what config.json holds."""

    model: Model = field(default_factory=Model)
    image: Image = field(default_factory=Image)
    folds: Folds = field(default_factory=Folds)
    train: Train = field(default_factory=Train)
    optim: Optim = field(default_factory=Optim)
    loss: Loss = field(default_factory=Loss)
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        share = self.cluster.gpus_per_worker
        if share > 1 and share != int(share):
            raise ValueError("cluster.gpus_per_worker above 1 must be a whole number of GPUs")
        if self.train.batch_size < 2 * self.cluster.workers_per_fold:
            # An epoch's batches may be half of batch_size; none of a worker's shares may be empty.
            raise ValueError(
                "train.batch_size must be at least twice cluster.workers_per_fold:"
                " batch normalisation needs company"
            )


PLACEMENT_ONLY = (
    "cluster.gpus",
    "cluster.gpus_per_worker",
    "cluster.folds_at_once",
    "cluster.threads",
    "cluster.resources_per_worker",
    "cluster.retries",
    "cluster.stall_s",
    "cluster.cache_dir",
    "cluster.dashboard",
    "train.checkpoint_s",
)
"""Settings that may differ when a run is resumed: they place the work and change no number. An
explicit cluster.threads is held against the recorded one by the plan itself (cluster/plan.py)."""
