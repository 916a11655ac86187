"""The settings of each task: names, types, ranges and defaults. Plain Python, so that they are
checked before any kernel starts."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]
Side = Annotated[int, Field(ge=1, le=4096)]
Batch = Annotated[int, Field(ge=2, description="images a step")]
Steps = Annotated[
    int, Field(ge=0, description="optimiser steps; 0: none, the weights stay as they are")
]
Peak = Annotated[float, Field(gt=0.0, description="peak learning rate, for this batch size")]
WarmUp = Annotated[
    float, Field(ge=0.0, le=1.0, description="part of the steps with linear warm-up")
]
Optimizer = Literal["adamw", "sgd", "lars"]
Schedule = Literal["cosine", "poly", "step", "constant"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CosineSettings(_Strict):
    """How long and with which optimiser something is trained, on a cosine after the warm-up."""

    batch_size: Batch = 32
    steps: Steps = 100
    optimizer: Optimizer = "adamw"
    lr: Peak = 2.0e-3
    min_lr: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="learning rate at the end of the schedule"
    )
    warmup: WarmUp = 0.1
    weight_decay: Annotated[float, Field(ge=0.0)] = 1.0e-4
    momentum: Fraction = Field(0.9, description="momentum of SGD and LARS")
    clip_grad: Positive | None = Field(None, description="largest gradient norm; None: no clipping")
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    checkpoint_every: Annotated[int, Field(ge=0)] = Field(
        0, description="steps between checkpoints; 0: none"
    )


class TrainingSettings(CosineSettings):
    """The same with a choice of schedules; the fields that `train.TrainConfig` reads."""

    schedule: Schedule = "cosine"
    power: Positive = Field(0.9, description="exponent of the schedule poly")
    drop_every: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.4, description="schedule step: a tenth after each such part of the steps"
    )
    decay_all: bool = Field(False, description="also decay biases and norms")
    nesterov: bool = False


class ViewSettings(_Strict):
    """Augmentation of the two views of an image. `*_2` belongs to the second view; `None` repeats
    the first."""

    scale: tuple[Positive, Positive] = Field(
        (0.2, 1.0), description="area of the crop, as a fraction of the image"
    )
    ratio: tuple[Positive, Positive] = Field((0.75, 4 / 3), description="aspect ratio of the crop")
    flip: Fraction = Field(0.5, description="probability of a horizontal flip")
    jitter: tuple[float, float, float, float] = Field(
        (0.4, 0.4, 0.2, 0.1), description="brightness, contrast, saturation, hue"
    )
    jitter_p: Fraction = Field(0.8, description="probability of the colour jitter")
    grey: Fraction = Field(0.2, description="probability of grey scale")
    blur: Fraction = Field(0.5, description="probability of a Gaussian blur, view 1")
    blur_2: Fraction | None = Field(None, description="the same for view 2")
    blur_sigma: tuple[Positive, Positive] = Field(
        (0.1, 2.0), description="standard deviation of the blur in pixels"
    )
    solarise: Fraction = Field(0.0, description="probability of solarisation, view 1")
    solarise_2: Fraction | None = Field(None, description="the same for view 2")

    @model_validator(mode="after")
    def _ordered(self) -> "ViewSettings":
        for name in ("scale", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the lower bound {low} is above the upper bound {high}")
        if self.scale[1] > 1:
            raise ValueError(f"scale: a crop cannot be larger than the image, got {self.scale[1]}")
        if min(self.jitter) < 0 or self.jitter[3] > 0.5:
            raise ValueError(
                f"jitter: strengths are not negative and hue is at most 0.5, got {self.jitter}"
            )
        return self


class ImageSSLSettings(CosineSettings):
    """Budget, network, optimiser, views and evaluation of the task `image_ssl`."""

    encoder: str = Field("vit_nano", description="a name of pixcl_bench.nets.encoders, or of timm")
    image_size: Annotated[int, Field(ge=8, le=1024)] = Field(
        32, description="side of the images in pixels"
    )
    batch_size: Batch = 128
    lr: Peak = 1.0e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.05
    weight_decay_end: Annotated[float, Field(ge=0.0)] | None = Field(
        None, description="cosine towards this value; None: constant"
    )
    save_model: bool = Field(False, description="keep model.safetensors in the run's folder")
    views: ViewSettings = ViewSettings()
    split_seed: int = Field(
        0,
        description=(
            "seed of the split into train, val and test, where the set has no published one"
        ),
    )
    eval_split: Literal["val", "test"] = Field(
        "test", description="val while tuning, test for what is published"
    )
    eval_batch: Annotated[int, Field(ge=1)] = 512
    knn_k: tuple[Annotated[int, Field(ge=1)], ...] = (20, 200)
    knn_temperature: Positive = 0.07
    random_head: bool = Field(
        False,
        description=(
            "also report kNN on a random projection of the features, as PatchMix's released script"
            " does"
        ),
    )
    probe: Literal["none", "linear_cached"] = "linear_cached"
    probe_epochs: Annotated[int, Field(ge=1)] = 100
    probe_batch: Annotated[int, Field(ge=1)] = 256
    probe_lrs: tuple[Positive, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class SemiSegSettings(TrainingSettings):
    """Budget, network, optimiser, labelled part, augmentation and evaluation of the task
    `semi_seg`."""

    network: Literal["unet", "vnet"] = Field(
        "unet", description="unet: slices; vnet: patches of volumes"
    )
    width: Annotated[int, Field(ge=1)] = Field(16, description="channels of the first level")
    levels: Annotated[int, Field(ge=2, le=6)] = 5
    dropout: bool = True
    norm: Literal["batch", "instance"] = Field("batch", description="normalisation layers")
    standardise: bool = Field(
        False, description="give every image mean 0 and variance 1 before the network"
    )
    patch: tuple[Side, Side] | tuple[Side, Side, Side] = Field(
        (256, 256),
        description=(
            "sides (y, x) every slice is resized to, or (z, y, x) of the random crops of a volume,"
            " in voxels"
        ),
    )
    labelled: Annotated[int, Field(ge=1)] = Field(
        7, description="labelled patients or slices, in the unit of labelled_unit"
    )
    labelled_unit: Literal["patient", "slice"] | None = Field(
        None, description="None: the data set's own unit"
    )
    labelled_by: Literal["seed", "list"] = Field(
        "seed",
        description=(
            "list: the first of the published list; seed: drawn by the run's seed, the same for all"
            " methods"
        ),
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(
        24, description="items a step, labelled and unlabelled together"
    )
    labelled_batch: Annotated[int, Field(ge=1)] = Field(
        12, description="labelled items of each step, for every method"
    )
    steps: Steps = 30000
    optimizer: Optimizer = "sgd"
    lr: Peak = 0.01
    warmup: WarmUp = 0.0
    schedule: Schedule = "poly"
    decay_all: bool = Field(True, description="also decay biases and norms, as the field does")
    save_model: bool = Field(False, description="keep model.safetensors in the run's folder")
    augment: Literal["none", "flip", "flip_rot90", "flip_or_rotate", "flip_or_rotate_half"] = Field(
        "flip_or_rotate",
        description=(
            "flip_or_rotate: SSL4MIS in 2D; flip_rot90: UA-MT in 3D; flip_or_rotate_half: older"
            " SSL4MIS and FBA-Net"
        ),
    )
    split_seed: int = Field(0, description="seed of the split, where the set has no published one")
    eval_split: str = Field(
        "test", description="val while tuning, test for what is published; some sets have more"
    )
    evaluate: Literal["student", "teacher"] = Field(
        "student", description="teacher: the moving average, where the method has one"
    )
    stride: tuple[Side, Side, Side] | None = Field(
        None, description="stride (z, y, x) of the sliding window; None: half the patch"
    )
    eval_batch: Annotated[int, Field(ge=1)] = Field(32, description="slices or windows at a time")
    spacing: bool = Field(
        True, description="distances in mm; false: in voxels, as the field reports them"
    )
    undefined: Literal["penalise", "field"] = Field(
        "penalise",
        description=(
            "one mask empty: the diagonal of the image as distance; field: zeros, which look"
            " perfect"
        ),
    )
    largest_component: bool = Field(
        True, description="also report Dice of the largest connected component of the foreground"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "SemiSegSettings":
        axes = 2 if self.network == "unet" else 3
        if len(self.patch) != axes:
            raise ValueError(f"patch: {self.network} takes {axes} sides, got {list(self.patch)}")
        divisor = 2 ** (self.levels - 1)
        if any(side % divisor for side in self.patch):
            raise ValueError(
                f"patch: every side is a multiple of {divisor} with {self.levels} levels, got"
                f" {list(self.patch)}"
            )
        if self.labelled_batch >= self.batch_size:
            raise ValueError(
                f"labelled_batch: {self.labelled_batch} leaves nothing unlabelled in a batch of"
                f" {self.batch_size}"
            )
        if self.stride is not None and axes == 2:
            raise ValueError("stride: slices are not cut in windows")
        if self.stride is not None and any(
            s > p for s, p in zip(self.stride, self.patch, strict=True)
        ):
            raise ValueError(
                f"stride: {list(self.stride)} skips voxels of the patch {list(self.patch)}"
            )
        return self


class LandmarksSettings(TrainingSettings):
    """Budget, network, optimiser, supports and evaluation of the task `landmarks`."""

    network: Literal["ld_unet", "vgg19"] = Field(
        "ld_unet", description="ld_unet: LD's small U-Net; vgg19: the network of CC2D and IGU-Aug"
    )
    width: Annotated[int, Field(ge=1)] = Field(
        16, description="channels of the first level of ld_unet"
    )
    levels: Annotated[int, Field(ge=2, le=5)] = Field(5, description="levels of ld_unet")
    pretrained: bool = Field(
        False, description="ImageNet weights of vgg19, loaded by timm from disk or network"
    )
    image_size: Annotated[int, Field(ge=32, le=2048)] | None = Field(
        None, description="side of the grid that images are resized to; None: the data set's own"
    )
    batch_size: Annotated[int, Field(ge=2)] = Field(
        8, description="images a step; what a method cuts out of them is its own affair"
    )
    steps: Steps = 7200
    lr: Peak = 1.0e-4
    warmup: WarmUp = 0.0
    save_model: bool = Field(False, description="keep model.safetensors in the run's folder")
    statistics: Annotated[int, Field(ge=0)] = Field(
        20,
        description=(
            "batches of training images on which the batch statistics of a network that is not"
            " trained are measured; 0: none"
        ),
    )
    supports: Annotated[int, Field(ge=1, le=50)] = Field(
        5, description="labelled images that are matched in turn; errors are averaged over them"
    )
    support_by: Literal["seed", "published"] = Field(
        "seed",
        description=(
            "seed: drawn from the training part by the run's seed, the same for all methods;"
            " published: the set's template"
        ),
    )
    split_seed: int = Field(0, description="seed of the split, where the set has no published one")
    eval_split: str = Field(
        "test", description="val while tuning, test for what is published; some sets have more"
    )
    eval_batch: Annotated[int, Field(ge=1)] = Field(16, description="images at a time")
    truth: Literal["float", "published"] = Field(
        "float", description="published: the truncated points that the papers score against"
    )


class SampleSettings(_Strict):
    """How labelled images are changed while a segmentation network is trained on them, each by its
    own draw."""

    crop: Side | None = Field(
        None, description="side of the square that is seen, in pixels; None: the image's"
    )
    scale: tuple[Positive, Positive] = Field(
        (1.0, 1.0), description="the image is enlarged by a factor between these"
    )
    flip: Fraction = Field(0.5, description="probability of a horizontal mirror")
    flip_vertical: Fraction = Field(0.0, description="probability of a vertical mirror")
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = Field(
        0.0, description="degrees, to either side"
    )
    jitter: tuple[float, float] = Field(
        (0.0, 0.0), description="brightness and contrast multiplied by 1 - x to 1 + x"
    )
    max_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0,
        description=(
            "of ten crops the first is taken in which no class covers more than this part of the"
            " known pixels; 1: any"
        ),
    )

    @model_validator(mode="after")
    def _ordered(self) -> "SampleSettings":
        if self.scale[0] > self.scale[1]:
            raise ValueError(
                f"scale: the lower bound {self.scale[0]} is above the upper bound {self.scale[1]}"
            )
        if min(self.jitter) < 0:
            raise ValueError(f"jitter: strengths are not negative, got {list(self.jitter)}")
        return self


class DenseTransferSettings(TrainingSettings):
    """Encoder, pre-training without labels (the fields of its own level), labelled part, decoder,
    fine-tuning and evaluation of `dense_transfer`."""

    encoder: str = Field("resnet_nano", description="resnet_nano, or a timm model that gives maps")
    output_stride: Literal[8, 16, 32] | None = Field(
        None,
        description=(
            "image side over side of the last map, where the encoder allows it; None: its own"
        ),
    )
    image_size: Annotated[int, Field(ge=16, le=2048)] | None = Field(
        None, description="side of the images; None: the data set's own"
    )
    view_size: Side = Field(48, description="side of the two views of pre-training, in pixels")
    views: ViewSettings = ViewSettings()
    network_width: Annotated[int, Field(ge=1)] = Field(
        16, description="channels of the full-resolution map, for methods that describe every pixel"
    )
    labels: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.1, description="part of the training images whose masks are given"
    )
    label_rule: Literal["uniform", "stratified"] = Field(
        "uniform",
        description=(
            "how the labelled images are drawn; stratified: every class is shown, where the budget"
            " allows it"
        ),
    )
    probe_labels: tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...] = Field(
        (0.01, 0.1, 1.0),
        description="parts with which a linear probe of the frozen maps is trained",
    )
    statistics: Annotated[int, Field(ge=0)] = Field(
        20,
        description=(
            "batches of unlabelled images on which the encoder's batch statistics are measured"
            " before the transfer; 0: none"
        ),
    )
    probe: TrainingSettings = Field(
        TrainingSettings(batch_size=16, steps=100, lr=1.0e-2),
        description="training of the linear probes",
    )
    decoder: Literal["deeplabv3plus", "unet"] = "deeplabv3plus"
    decoder_width: Annotated[int, Field(ge=4)] = Field(32, description="channels of the decoder")
    atrous_rates: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ] = Field((12, 24, 36), description="dilations of DeepLabV3+ in cells of the last map")
    dropout: Fraction = Field(0.1, description="of DeepLabV3+")
    auxiliary: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="weight of the auxiliary head's loss; 0: no such head"
    )
    loss: Literal["cross_entropy", "cross_entropy_dice"] = Field(
        "cross_entropy", description="cross_entropy_dice: half of each"
    )
    frozen: TrainingSettings = Field(
        TrainingSettings(batch_size=16, steps=100),
        description="training of the decoder on the frozen encoder; steps 0: none",
    )
    tuned: TrainingSettings = Field(
        TrainingSettings(batch_size=16, steps=100),
        description="then training of everything; steps 0: none",
    )
    sample: SampleSettings = SampleSettings()
    split_seed: int = Field(0, description="seed of the split, where the set has no published one")
    eval_split: str = Field(
        "test", description="val while tuning, test for what is published; some sets have more"
    )
    eval_batch: Annotated[int, Field(ge=1)] = Field(64, description="images at a time")
    exclude: tuple[str, ...] = Field((), description="classes left out of the mean IoU")
    both_empty: Literal["skip", "one"] = Field(
        "skip",
        description=(
            "Dice where a class is neither there nor predicted: left out, or 1 as LD has it"
        ),
    )
    save_model: bool = Field(
        False, description="keep model.safetensors, the segmentation network, in the run's folder"
    )

    @model_validator(mode="after")
    def _somewhere(self) -> "DenseTransferSettings":
        if not (self.frozen.steps or self.tuned.steps):
            raise ValueError(
                "frozen.steps, tuned.steps: one of the two must be above 0, or nothing is evaluated"
            )
        if len(set(self.probe_labels)) < len(self.probe_labels):
            raise ValueError(f"probe_labels: every part stands once, got {list(self.probe_labels)}")
        return self


class ShapeGuidedSettings(TrainingSettings):
    """First stage (the fields of its own level), reference masks, network, refinement and
    evaluation of the task `shape_guided`."""

    network: str = Field(
        "ld_unet",
        description=(
            "ld_unet, or an encoder of dense_transfer, which gets a U-Net decoder; both stages have"
            " one, drawn apart"
        ),
    )
    width: Annotated[int, Field(ge=1)] = Field(
        16,
        description=(
            "channels of the first level of ld_unet, or of the other's map of full resolution"
        ),
    )
    levels: Annotated[int, Field(ge=2, le=5)] = Field(5, description="levels of ld_unet")
    image_size: Annotated[int, Field(ge=16, le=2048)] | None = Field(
        None, description="side of the images; None: the data set's own"
    )
    prior_masks: Annotated[int, Field(ge=1)] | None = Field(
        10,
        description="reference masks that are used, drawn by the run's seed; None: all there are",
    )
    shape_threshold: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.1,
        description="what of a resized reference mask counts as vessel; lower makes wider vessels",
    )
    shapes_side: Side | None = Field(
        None,
        description=(
            "side that reference masks are resized to, of which a window as large as the views is"
            " cut; None: the views' own, the whole mask"
        ),
    )
    shapes_per_image: Annotated[int, Field(ge=1)] = Field(
        2, description="reference masks in a step, for each image of the batch"
    )
    refine: TrainingSettings = Field(
        TrainingSettings(batch_size=8, steps=100),
        description="training of the second stage, and of the ceiling; steps 0: none",
    )
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.5, description="an answer above it is vessel, when Dice is measured"
    )
    split_seed: int = Field(0, description="seed of the split, where the set has no published one")
    eval_split: str = Field(
        "test", description="val while tuning, test for what is published; some sets have more"
    )
    eval_batch: Annotated[int, Field(ge=1)] = Field(32, description="images at a time")
    save_model: bool = Field(
        False, description="keep model.safetensors, both stages, in the run's folder"
    )

    @model_validator(mode="after")
    def _halves(self) -> "ShapeGuidedSettings":
        if self.batch_size % 2:
            raise ValueError(
                f"batch_size: LD mixes the halves of a batch, got {self.batch_size}: take an even"
                " number"
            )
        return self


class RetrievalSettings(CosineSettings):
    """Budget, image encoder, captions, augmentation and evaluation of the task `retrieval`."""

    encoder: str = Field("resnet50", description="a name of pixcl_bench.nets.encoders, or of timm")
    pretrained: bool = Field(False, description="weights of timm, loaded from disk or network")
    image_size: Annotated[int, Field(ge=8, le=2048)] = Field(
        224, description="side of the images in pixels"
    )
    batch_size: Batch = 32
    lr: Peak = 1.0e-3
    weight_decay: Annotated[float, Field(ge=0.0)] = 1.0e-3
    paraphrase: Fraction = Field(
        1.0,
        description=(
            "probability that a caption of training varies in wording, order and omitted fields;"
            " else it is the canonical one"
        ),
    )
    unique_keys: bool = Field(
        False, description="batches without a repeated caption, as far as that is possible"
    )
    crop: tuple[Positive, Positive] = Field(
        (0.77, 1.0), description="area of the random crop of training, as a fraction of the image"
    )
    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = Field(
        10.0, description="degrees, to either side"
    )
    flip: Fraction = Field(
        0.0, description="probability of a horizontal mirror; wrong where captions name a side"
    )
    jitter: tuple[Fraction, Fraction] = Field(
        (0.2, 0.2), description="brightness and contrast multiplied by 1 - x to 1 + x"
    )
    save_model: bool = Field(False, description="keep the trained model in the run's folder")
    split_seed: int = Field(0, description="seed of the split, where the set has no published one")
    eval_split: Literal["val", "test"] = Field(
        "test", description="val while tuning, test for what is published"
    )
    eval_batch: Annotated[int, Field(ge=1)] = Field(256, description="images or texts at a time")
    queries: Literal["per_key", "per_image"] = Field(
        "per_key", description="one caption for each distinct key, or one for each image"
    )
    relevance: Literal["strict", "key", "field"] = Field(
        "key",
        description=(
            "strict: the query's own image; key: equal captions; field: all fields that the query"
            " names agree"
        ),
    )
    ties: Literal["index", "pessimistic"] = Field(
        "index", description="equal scores: the smaller index first, or against the method"
    )
    ks: tuple[Annotated[int, Field(ge=1)], ...] = Field((1, 3, 5, 10), description="K of hit@K")
    resamples: Annotated[int, Field(ge=100)] = Field(
        1000, description="of the bootstrap over the queries"
    )

    @model_validator(mode="after")
    def _possible(self) -> "RetrievalSettings":
        if not self.crop[0] <= self.crop[1] <= 1:
            raise ValueError(f"crop: areas rise and are at most 1, got {list(self.crop)}")
        if 3 not in self.ks or len(set(self.ks)) < len(self.ks):
            raise ValueError(f"ks: every K stands once, and 3 is among them, got {list(self.ks)}")
        return self
