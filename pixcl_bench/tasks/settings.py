"""The settings of each task: names, types, ranges and defaults. Plain Python, so that they are checked before any kernel starts."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ViewSettings(_Strict):
    """Augmentation of the two views of an image. `*_2` belongs to the second view; `None` repeats the first."""

    scale: tuple[Positive, Positive] = Field((0.2, 1.0), description="area of the crop, as a fraction of the image")
    ratio: tuple[Positive, Positive] = Field((0.75, 4 / 3), description="aspect ratio of the crop")
    flip: Fraction = Field(0.5, description="probability of a horizontal flip")
    jitter: tuple[float, float, float, float] = Field((0.4, 0.4, 0.2, 0.1), description="brightness, contrast, saturation, hue")
    jitter_p: Fraction = Field(0.8, description="probability of the colour jitter")
    grey: Fraction = Field(0.2, description="probability of grey scale")
    blur: Fraction = Field(0.5, description="probability of a Gaussian blur, view 1")
    blur_2: Fraction | None = Field(None, description="the same for view 2")
    blur_sigma: tuple[Positive, Positive] = Field((0.1, 2.0), description="standard deviation of the blur in pixels")
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
            raise ValueError(f"jitter: strengths are not negative and hue is at most 0.5, got {self.jitter}")
        return self


class ImageSSLSettings(_Strict):
    """Budget, network, optimiser, views and evaluation of the task `image_ssl`."""

    encoder: str = Field("vit_nano", description="a name of pixcl_bench.nets.encoders, or of timm")
    image_size: Annotated[int, Field(ge=8, le=1024)] = Field(32, description="side of the images in pixels")
    batch_size: Annotated[int, Field(ge=2)] = Field(128, description="images a step")
    steps: Annotated[int, Field(ge=0)] = Field(100, description="optimiser steps; 0 evaluates the initial weights")
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    lr: Positive = Field(1.0e-3, description="peak learning rate, for this batch size")
    min_lr: Annotated[float, Field(ge=0.0)] = Field(0.0, description="learning rate at the end of the cosine")
    warmup: Fraction = Field(0.1, description="part of the steps with linear warm-up")
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.05
    weight_decay_end: Annotated[float, Field(ge=0.0)] | None = Field(None, description="cosine towards this value; None: constant")
    momentum: Fraction = Field(0.9, description="momentum of SGD and LARS")
    clip_grad: Positive | None = Field(None, description="largest gradient norm; None: no clipping")
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    checkpoint_every: Annotated[int, Field(ge=0)] = Field(0, description="steps between checkpoints; 0: none")
    save_model: bool = Field(False, description="keep model.safetensors in the run's folder")
    views: ViewSettings = ViewSettings()
    split_seed: int = Field(0, description="seed of the split into train, val and test, where the set has no published one")
    eval_split: Literal["val", "test"] = Field("test", description="val while tuning, test for what is published")
    eval_batch: Annotated[int, Field(ge=1)] = 512
    knn_k: tuple[Annotated[int, Field(ge=1)], ...] = (20, 200)
    knn_temperature: Positive = 0.07
    random_head: bool = Field(False, description="also report kNN on a random projection of the features, as PatchMix's released script does")
    probe: Literal["none", "linear_cached"] = "linear_cached"
    probe_epochs: Annotated[int, Field(ge=1)] = 100
    probe_batch: Annotated[int, Field(ge=1)] = 256
    probe_lrs: tuple[Positive, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
