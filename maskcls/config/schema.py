"""All settings: one frozen dataclass per section, a docstring under each field.

--help prints the docstrings, each of which ends with its unit in brackets. Bounds are checked once, in
resolve.py, relations between settings in Config.__post_init__, before anything starts.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from maskcls.config.relations import check
from maskcls.config.values import AgeRanges, Crop, Factors, Size

Auto = Literal["auto"]


class Section:
    """Base of all sections: unknown names, inf and NaN are refused."""

    # Not strict: TOML and JSON have lists where fields are tuples. Booleans, which then pass as numbers,
    # are refused in resolve.py.

    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False, "strict": False}  # noqa: RUF012


@dataclass(frozen=True, kw_only=True)
class Model(Section):
    """The network's backbone."""

    backbone: str = "efficientnet_b0"
    """Backbone: any timm model, with or without a pretrained tag."""
    weights: str = "hub"
    """Initial weights of the backbone: hub, none, or the path of a safetensors file."""
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Dropout before the head [probability]."""
    drop_path: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Stochastic depth in the backbone, if it supports it [probability]."""
    channels_last: Literal["auto", "on", "off"] = "auto"
    """Memory layout; auto uses channels_last for the backbone families that are faster with it."""


@dataclass(frozen=True, kw_only=True)
class Head(Section):
    """From features to classes; a head's own settings are named head.NAME.SETTING."""

    name: str = "single"
    """Head, by the name of its file in maskcls/models/heads."""
    age: str = "softmax"
    """How a head with branches learns the age group, by the name of its file in maskcls/models/ages."""
    merge: Literal["sum", "hard"] = "sum"
    """From branches to classes: sum adds log-probabilities; hard: each branch votes for one value."""
    mask_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the mask branch's loss."""
    gender_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the gender branch's loss."""
    age_weight: Annotated[float, Ge(0)] = 1.0
    """Weight of the age branch's loss."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Image(Section):
    """Crop and size of an image; the same in training, eval and predict."""

    crop: Crop = Crop.parse("fill")  # noqa: RUF009 (frozen)
    """Crop before resizing: fill (the largest centred box of the output's shape), none,
    center:HEIGHTxWIDTH, or face, face:MARGIN (the detected face with a margin on each side, as a share
    of its size; default 0.3) [px]."""
    size: Size = Size(384, 384)  # noqa: RUF009 (frozen)
    """Input size of the network, HEIGHTxWIDTH [px]."""


@dataclass(frozen=True, kw_only=True)
class Folds(Section):
    """Cross-validation split."""

    scheme: Literal["auto", "kfold", "holdout", "given", "image", "all"] = "auto"
    """kfold: k folds over groups (mask task: people, stratified on gender x age group; else
    stratified on the classes). given: the folds that the data names. auto: given where the data names
    folds, else kfold. holdout: one split by groups. all: no validation set, no score. image: k folds
    over images, with the same groups in training and validation; only to measure that leak."""
    count: Annotated[int, Ge(1), Le(1000)] = 5
    """Number of folds k of kfold and image, 2 or more; of given, what the data names."""
    share: Annotated[float, Gt(0), Lt(1)] = 0.2
    """Share of the groups in the validation set of holdout."""
    repeats: Annotated[int, Ge(1), Le(100)] = 1
    """Number of splits, drawn with the seeds folds.seed, folds.seed + 1, ..."""
    seed: Annotated[int, Ge(0), Lt(4294967296)] = 0
    """Seed of the folds."""

    @property
    def per_repeat(self) -> int:
        """Folds of one draw of the split."""
        return self.count if self.scheme in ("auto", "kfold", "given", "image") else 1

    @property
    def total(self) -> int:
        """Folds of the whole run, numbered over all repeats."""
        return self.per_repeat * self.repeats


@dataclass(frozen=True, kw_only=True)
class Rows(Section):
    """Training rows and their labels; held-out rows keep their official labels."""

    age_border: Annotated[int, Ge(2), Le(120)] | Auto = "auto"
    """Of the mask task: first age that trains as the last age group (60+), such as 58; auto is the
    official border [years]."""
    drop_ages: AgeRanges = AgeRanges(())  # noqa: RUF009 (frozen)
    """Of the mask task: ages excluded from training, such as 57-59 or 27-29,57-59; none excludes nothing
    [years]."""
    oversample: Factors = Factors(())  # noqa: RUF009 (frozen)
    """Copies of each image of a class or of a value of the label's parts, such as 2:3,5:3 (classes 2 and
    5), daisy:4 or, of the mask task, 60+:8; or none."""
    augment: Literal["all", "copies"] = "all"
    """Which rows are augmented: all, or only the copies that rows.oversample adds."""
    sampler: Literal["none", "weighted"] = "none"
    """weighted draws an epoch's rows with replacement, all classes with equal probability."""
    mask_images: Annotated[int, Ge(1), Le(5)] = 5
    """Of the mask task: number of a person's five images with the mask worn that train in an epoch;
    drawn again in each [images]."""
    corrections: str = "none"
    """Of the mask task: CSV file of corrected training labels (id or path, shot, field, value),
    published (corrections on which teams of the competition agree), or none."""
    extra: str = "none"
    """Folder of additional labelled images that train in every fold, of the classes of DATA, or none."""
    pseudo_labels: str = "none"
    """Finished run whose predictions for the eval images are used as training labels, or none. It must
    have the same folds: each fold takes the predictions of the same fold of that run, which was not
    trained on the held-out people."""
    pseudo_confidence: Annotated[float, Gt(0), Lt(1)] = 0.95
    """Minimum probability of a pseudo-label."""


@dataclass(frozen=True, kw_only=True)
class Augment(Section):
    """Augmentation on the device; a transform's own settings are named augment.NAME.SETTING."""

    name: str = "none"
    """Transforms, by the names of their files in maskcls/augment/transforms, joined by +: none, flip,
    flip+half_face."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Train(Section):
    """The training loop."""

    epochs: Annotated[int, Ge(1)] = 20
    """Passes over the training rows [epochs]."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Maximum batch size of an update, over all workers of a fold; an epoch is divided into batches of
    nearly equal size [images]."""
    micro_batch_size: Annotated[int, Ge(1)] | Auto = "auto"
    """Maximum batch size of one forward pass of a worker; less than the worker's share of batch_size
    accumulates gradients; auto is the whole share [images]."""
    patience: Annotated[int, Ge(0)] = 0
    """Early stopping after this many epochs without a better held-out score; 0: none [epochs]."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose network and logits are the fold's result: the one with the best held-out score,
    or the last one, whose score no choice has made too good, unless patience ended the training."""
    seed: Annotated[int, Ge(0), Lt(4294967296)] = 0
    """Seed of initial values, order of batches, augmentation and dropout."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Arithmetic of the backbone; auto is bfloat16 AMP on a GPU that has it, float16 AMP on one of
    compute capability 7.0 or above that has not, float32 elsewhere."""
    checkpoint_s: Annotated[float, Gt(0)] = 600.0
    """Maximum time between two checkpoints within an epoch; every epoch ends with one [s]."""


@dataclass(frozen=True, kw_only=True)
class Optim(Section):
    """Optimizer, learning-rate schedule, averaging of weights."""

    name: str = "adam"
    """Optimizer, by timm's or torch's name in lower case; sam wraps optim.sam_base."""
    lr: Annotated[float, Gt(0)] = 1e-3
    """Maximum learning rate; that of the first epoch, except with warm-up or onecycle."""
    weight_decay: Annotated[float, Ge(0)] = 0.0
    """Weight decay, as the optimizer defines it."""
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """Factor on the learning rate from each layer to the one below it; 1: the same for all layers."""
    clip_norm: Annotated[float, Ge(0)] = 0.0
    """Maximum norm of the whole gradient of an update; 0: no clipping."""
    sam_rho: Annotated[float, Gt(0)] = 0.05
    """Radius of the first step of sam."""
    sam_base: str = "adam"
    """Optimizer for the second step of sam."""
    schedule: Literal["step", "multistep", "cosine", "restarts", "onecycle", "constant"] = "step"
    """Learning-rate schedule: step multiplies by gamma after each epoch; multistep at the milestones;
    cosine anneals to min_lr; restarts does so every restart_epochs; onecycle rises, then falls."""
    gamma: Annotated[float, Gt(0), Le(1)] = 0.794
    """Factor on the learning rate after each epoch (step) or at each milestone (multistep)."""
    milestones: tuple[Annotated[int, Ge(1)], ...] = (10, 15)
    """Epochs after which multistep multiplies by gamma [epochs]."""
    min_lr: Annotated[float, Ge(0)] = 0.0
    """Minimum learning rate of cosine and restarts."""
    restart_epochs: Annotated[int, Ge(1)] = 10
    """Length of a cycle of restarts [epochs]."""
    warmup_epochs: Annotated[float, Ge(0)] = 0.0
    """Linear warm-up of the learning rate from nearly 0 to that of the schedule [epochs]."""
    ema: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Decay of an exponential moving average (EMA) of the weights, such as 0.999; the average is
    evaluated and kept; 0: no averaging [per update]."""
    swa_epochs: Annotated[int, Ge(0)] = 0
    """Average the weights at the end of the last N epochs (SWA), with BatchNorm statistics recomputed;
    0: no averaging [epochs]."""


@dataclass(frozen=True, kw_only=True)
class Loss(Section):
    """The loss; a loss's own settings are named loss.NAME.SETTING."""

    name: str = "cross_entropy"
    """Loss, by the name of its file in maskcls/losses; names joined by + are added: f1+focal."""
    weights: tuple[Annotated[float, Gt(0)], ...] = ()
    """Weight of each loss of a sum, such as [0.4, 0.6]; empty: 1 each."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tta(Section):
    """Test-time augmentation: views of an image whose logits are averaged in prediction."""

    flip: bool = False
    """Predict the mirrored image as well."""
    crops: Literal[1, 5] = 1
    """1: the whole image; 5: centre and four corners, each with tta.share of height and width."""
    share: Annotated[float, Gt(0), Le(1)] = 0.9
    """Height and width of such a crop [share of the image's]."""


@dataclass(frozen=True, kw_only=True)
class Cluster(Section):
    """Placement of the work. Only workers_per_fold and threads can change a result."""

    gpus: Annotated[int, Ge(0)] | Auto = "auto"
    """GPUs for all folds: auto uses those that are there; N requests N and waits; 0: CPU [GPUs]."""
    workers_per_fold: Annotated[int, Ge(1)] = 1
    """Workers that train one fold together (DDP)."""
    gpus_per_worker: Annotated[float, Gt(0)] = 1.0
    """Share of a GPU per worker: 1, or less to put several on one GPU, such as 0.5 [GPUs]."""
    folds_at_once: Annotated[int, Ge(1)] | Auto = "auto"
    """Maximum number of folds that train at the same time; auto fills the GPUs, or else the cores."""
    threads: Annotated[int, Ge(1)] | Auto = "auto"
    """Threads per worker; auto divides the cores. Recorded, since it can change the last bits."""
    resources_per_worker: dict[str, float] = field(default_factory=dict)
    """Additional Ray resources that each worker requests, such as {fake_gpu = 1}."""
    retries: Annotated[int, Ge(0)] = 3
    """Maximum number of retries of a fold after transient errors without a finished epoch in between."""
    stall_s: Annotated[float, Gt(0)] = 1800.0
    """A worker that reports nothing for this long is killed and its fold is retried [s]."""
    cache_dir: str = "auto"
    """Folder for decoded pixels; auto is $MASKCLS_CACHE, else ~/.cache/maskcls."""
    dashboard: bool = True
    """Start Ray's dashboard with a local run."""


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """The complete configuration of a run; the content of config.json."""

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

    # Here and not in resolve, so that a Config built in any way is consistent.
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
"""Settings that may differ when a run is resumed: they affect placement and change no result. An
explicit cluster.threads is compared with the recorded one by the plan itself (cluster/plan.py)."""
