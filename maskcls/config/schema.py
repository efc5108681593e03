"""Every setting there is: one frozen dataclass a section, a docstring under each field.

The docstring is what --help prints; the unit closes it in brackets. Bounds are checked once, in
resolve.py. Relations between settings are checked in Config.__post_init__, before anything starts.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from maskcls.config.relations import check
from maskcls.config.values import AgeRanges, Crop, Factors, Size

Auto = Literal["auto"]


class Section:
    """Base of all sections: unknown names, inf and nan are refused."""

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False, "strict": False}  # noqa: RUF012


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The network's backbone."""

    backbone: str = "efficientnet_b0"
    """Backbone: any timm model, with or without a pretrained tag."""
    weights: str = "hub"
    """Initial weights of the backbone: hub, none, or the path of a safetensors file."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Dropout before the head [share]."""
    drop_path: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Stochastic depth in the backbone, where it has it [share]."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Memory layout; auto takes channels_last for the families where it pays."""


@dataclass(frozen=True, kw_only=True)
class Head(Section):
    """From features to 18 classes; a head's own settings stand under its name, as head.NAME.SETTING."""

    name: str = "single"
    """Head, by the name of its file in maskcls/models/heads."""
    age: str = "softmax"
    """How the age group is learned by a head with branches, by its file in maskcls/models/ages."""
    merge: Literal["sum", "hard"] = "sum"
    """Branches to 18 classes: sum adds log-probabilities, hard lets each branch vote for one value."""
    mask_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the mask branch's loss."""
    gender_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the gender branch's loss."""
    age_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the age branch's loss."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Image(Section):
    """What becomes of an image before the network sees it; in training, eval and predict alike."""

    crop: Crop = Crop.center_of(384, 384)  # noqa: RUF009 (frozen)
    """Crop, before resizing: none, center:HEIGHTxWIDTH [px], or face, face:MARGIN (the detected face
    with a margin on each side, as a share of its size; 0.3 by default)."""
    size: Size = Size(384, 384)  # noqa: RUF009 (frozen)
    """Size that the network sees, HEIGHTxWIDTH [px]."""


@dataclass(frozen=True, kw_only=True)
class Folds(Section):
    """Who validates whom."""

    scheme: Literal["kfold", "holdout", "image", "all"] = "kfold"
    """kfold: folds over people, stratified on gender x age group. holdout: one split by people. all:
    everybody trains, no score. image: k folds over images, which puts people on both sides; only to
    show what that leak is worth."""
    count: Annotated[int, Ge(2), Le(1000)] = 5
    """Number of folds of kfold and image."""
    share: Annotated[float, Gt(0), Lt(1)] = 0.2
    """Share of the people that holdout holds out."""
    repeats: Annotated[int, Ge(1), Le(100)] = 1
    """How often the split is drawn anew, with the seeds folds.seed, folds.seed + 1, ..."""
    seed: Annotated[int, Ge(0), Lt(4294967296)] = 0
    """Seed of the folds."""


@dataclass(frozen=True, kw_only=True)
class Rows(Section):
    """Training rows and their labels; what is held out keeps its official labels."""

    age_border: Annotated[int, Ge(31), Le(60)] = 60
    """First age that trains as 60+; the official border is 60 [years]."""
    drop_ages: AgeRanges = AgeRanges(())  # noqa: RUF009 (frozen)
    """Ages that do not train, such as 57-59 or 27-29,57-59; none drops nobody [years]."""
    oversample: Factors = Factors(())  # noqa: RUF009 (frozen)
    """Copies of each image of a group, such as 60+:8 or 2:3,5:3 (classes 2 and 5); none. Groups:
    0 to 17, <30, 30-59, 60+."""
    augment: Literal["all", "copies"] = "all"
    """Which rows are augmented: all, or only the copies that oversample adds."""
    sampler: Literal["none", "weighted"] = "none"
    """weighted draws an epoch's rows with replacement, each class as often as any other."""
    mask_images: Annotated[int, Ge(1), Le(5)] = 5
    """How many of a person's five images with the mask worn train in an epoch; drawn anew in each."""
    corrections: str = "none"
    """CSV file of corrected training labels (id or path, shot, field, value), published (those that
    teams of the competition agree on), or none."""
    extra: str = "none"
    """Folder of more labelled people who train in every fold, laid out as DATA is, or none."""
    pseudo_labels: str = "none"
    """Finished run whose answers for the eval images train too, or none; it must have the same folds,
    since each fold takes the labels of that run's own fold, which did not see the held-out people."""
    pseudo_confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """Least probability of a pseudo-label."""


@dataclass(frozen=True, kw_only=True)
class Augment(Section):
    """Changes to training images, on the device; each transform's settings stand under its name."""

    name: str = "none"
    """Transforms, by the names of their files in maskcls/augment/transforms, joined by +: none, flip,
    flip+half_face."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Train(Section):
    """The training loop."""

    epochs: Annotated[int, Ge(1)] = 20
    """Passes over the training rows."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Most images per update over all workers of a fold; an epoch is divided evenly [images]."""
    micro_batch_size: Annotated[int, Ge(1)] | Auto = "auto"
    """Most images of one forward pass of a worker; smaller than its share of batch_size accumulates
    gradients; auto is the whole share [images]."""
    patience: Annotated[int, Ge(0)] = 0
    """Early stop after this many epochs without a better held-out macro F1; 0 never stops [epochs]."""
    seed: Annotated[int, Ge(0), Lt(4294967296)] = 0
    """Seed of initial values, order of batches, augmentation and dropout."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the backbone; auto is bfloat16 AMP on a GPU that has it, float16 AMP on one of
    compute capability 7.0 or above that has not, float32 elsewhere."""
    checkpoint_s: Annotated[float, Gt(0)] = 600.0
    """Longest time between two checkpoints within an epoch; every epoch ends with one [s]."""


@dataclass(frozen=True, kw_only=True)
class Optim(Section):
    """Optimizer, learning-rate schedule, averaging of weights."""

    name: str = "adam"
    """Optimizer, by timm's or torch's name in lower case; sam wraps optim.sam_base."""
    lr: Annotated[float, Gt(0)] = 1e-3
    """Highest learning rate; that of the first epoch, unless it warms up."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Weight decay, as the optimizer defines it."""
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor on the learning rate from each layer to the one below it; 1 treats all alike."""
    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Largest norm of an update's whole gradient; 0 does not clip."""
    sam_rho: Annotated[float, Gt(0)] = 0.05
    """Radius of sam's first step."""
    sam_base: str = "adam"
    """Optimizer that takes sam's second step."""
    schedule: Literal["step", "multistep", "cosine", "restarts", "onecycle", "constant"] = "step"
    """How the rate falls: step multiplies by gamma after each epoch; multistep at the milestones;
    cosine to min_lr at the end; restarts the same every restart_epochs; onecycle up, then down."""
    gamma: Annotated[float, Gt(0), Le(1)] = 0.794
    """Factor on the learning rate after each epoch (step) or at each milestone (multistep)."""
    milestones: tuple[Annotated[int, Ge(1)], ...] = (10, 15)
    """Epochs after which multistep multiplies by gamma [epochs]."""
    min_lr: Annotated[float, Ge(0)] = 0.0
    """Lowest learning rate of cosine and restarts."""
    restart_epochs: Annotated[int, Ge(1)] = 10
    """Length of a cycle of restarts [epochs]."""
    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    """Epochs in which the rate rises linearly from nearly 0 to the schedule's [epochs]."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay of an exponential moving average (EMA) of the weights, which is what is evaluated and
    kept, such as 0.999; 0 keeps the weights themselves [per update]."""
    swa_epochs: Annotated[int, Ge(0)] = 0
    """Average the weights at the end of the last so many epochs (SWA), with batch norms made anew; 0
    does not [epochs]."""


@dataclass(frozen=True, kw_only=True)
class Loss(Section):
    """The loss; a loss's own settings stand under its name, as loss.NAME.SETTING."""

    name: str = "cross_entropy"
    """Loss, by the name of its file in maskcls/losses; names joined by + are added: f1+focal."""
    weights: tuple[Annotated[float, Gt(0)], ...] = ()
    """Weight of each loss of a sum, such as [0.4, 0.6]; empty weighs each 1."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tta(Section):
    """Views of an image whose logits are averaged when predicting (test-time augmentation)."""

    flip: bool = False
    """Also predict the mirrored image."""
    crops: Literal[1, 5] = 1
    """5 predicts the centre and the four corners at tta.share of each side; 1 the whole image."""
    share: Annotated[float, Gt(0), Le(1)] = 0.9
    """Side of such a crop [share of the image's]."""


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
    head: Head = field(default_factory=Head)
    image: Image = field(default_factory=Image)
    folds: Folds = field(default_factory=Folds)
    rows: Rows = field(default_factory=Rows)
    augment: Augment = field(default_factory=Augment)
    train: Train = field(default_factory=Train)
    optim: Optim = field(default_factory=Optim)
    loss: Loss = field(default_factory=Loss)
    tta: Tta = field(default_factory=Tta)
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        check(self)


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
