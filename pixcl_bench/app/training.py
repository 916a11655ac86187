"""A small model for a collection of one's own: trained in minutes on a CPU, on its own records."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from pixcl_bench.data.sets.pairs import PairSet, key_numbers
from pixcl_bench.methods.claires.learner import CLAIRES, claires
from pixcl_bench.methods.claires.objectives import Objective
from pixcl_bench.methods.claires.text import build_tokenizer
from pixcl_bench.methods.contract.retrieval import Recipe
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.runtime import derive_seed, generator
from pixcl_bench.train import TrainConfig, epoch_order, fit

ENCODER = "conv_nano"
STEPS, BATCH = 600, 32
OBJECTIVE: Objective = "group"
"""Records of small collections repeat: equal captions are no negatives of each other."""

_WORDINGS = 20
_TARGET = "pixcl_bench.methods.claires.learner:claires"
_SHIFT = 4


class TrainingError(ValueError):
    """A collection that no model can be trained on; the message says why."""


def train_retriever(
    data: PairSet,
    *,
    steps: int = STEPS,
    batch_size: int = BATCH,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: bool | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> CLAIRES:
    """Train a small model on the training split of a set, ready to be saved.

    Raises TrainingError for a training split with fewer than two images or one caption.
    """
    train = data.splits["train"]
    keys = key_numbers(data)
    if len(train) < 2 or len(keys[train].unique()) < 2:
        raise TrainingError(
            f"{data.name}: training needs two images with different captions, the training split"
            f" has {len(train)} images and {len(keys[train].unique())} captions"
        )
    learner = _built(data, seed)
    config = TrainConfig(steps=steps, lr=1e-3, seed=seed, clip_grad=1.0)
    batches = PairBatches(data, learner, min(batch_size, len(train)), seed, torch.device(device))
    fit(learner, batches, config, device=device, progress=progress, on_step=on_step)
    return learner.eval()


def _built(data: PairSet, seed: int) -> CLAIRES:
    draw = generator(seed, "vocabulary")
    records = [data.records[i] for i in data.splits["train"].tolist()]
    texts = [data.captioner.canonical(record) for record in records]
    texts += [data.captioner.paraphrase(record, draw) for record in records * _WORDINGS]
    size = data.images.size[0]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        learner = claires(
            encoder=build_encoder(ENCODER, image_size=size),
            tokenizer=build_tokenizer(texts),
            mean=data.mean,
            std=data.std,
            objective=OBJECTIVE,
        )
    args = {"objective": OBJECTIVE}
    learner.recipe = Recipe(_TARGET, args, ENCODER, size, data.mean, data.std, seed)
    return learner


class PairBatches:
    """Batches of the training pairs from a step on: images a little moved and relit, and captions
    in other words. Images are not flipped, because captions may name sides and teeth."""

    def __init__(
        self, data: PairSet, learner: CLAIRES, batch_size: int, seed: int, device: torch.device
    ) -> None:
        self.data, self.learner, self.device = data, learner, device
        self.batch_size, self.seed = batch_size, seed
        self.train, self.keys = data.splits["train"], key_numbers(data)

    def __call__(self, start: int) -> Iterator[dict[str, Tensor]]:
        order = epoch_order(len(self.train), self.batch_size, self.seed, start)
        chosen = (self.train[index] for index in order)
        for step, index in enumerate(chosen, start):
            draw = generator(self.seed, "batch", step)
            images = next(iter(self.data.images.batches([index], self.device)))
            records = [self.data.records[i] for i in index.tolist()]
            texts = [self.data.captioner.paraphrase(record, draw) for record in records]
            tokens, mask = self.learner.tokenizer(texts)
            yield {
                "image": _varied(images.float() / 255, draw),
                "tokens": tokens.to(self.device),
                "mask": mask.to(self.device),
                "group": self.keys[index].to(self.device),
            }


def _varied(images: Tensor, draw: torch.Generator) -> Tensor:
    """Images moved by up to `_SHIFT` pixels, with another brightness and contrast for each."""
    moves = torch.randint(-_SHIFT, _SHIFT + 1, (len(images), 2), generator=draw).tolist()
    moved = torch.stack(
        [
            image.roll((down, right), (1, 2))
            for image, (down, right) in zip(images, moves, strict=True)
        ]
    )
    gain, light = (0.8 + 0.4 * torch.rand(2, len(images), 1, 1, 1, generator=draw)).to(moved.device)
    middle = moved.mean((1, 2, 3), keepdim=True)
    return ((moved - middle) * gain + middle * light).clamp(0, 1)
