"""A small model for a collection of one's own: trained in minutes on a CPU, on its own records."""

import torch

from pixcl_bench import runtime
from pixcl_bench.data.sets.pairs import PairSet, key_numbers
from pixcl_bench.methods.contract.retrieval import RetrievalLearner
from pixcl_bench.tasks.retrieval import make_learner, train
from pixcl_bench.tasks.settings import RetrievalSettings

ENCODER = "conv_nano"
STEPS, BATCH = 600, 32

_TARGET = "pixcl_bench.methods.claires.learner:claires"
# Records of a collection repeat: equal captions are no negatives of each other.
_ARGS = {"objective": "group", "text_width": 64, "text_layers": 1}


class TrainingError(ValueError):
    """A collection that no model can be trained on; the message says why."""


def train_retriever(
    data: PairSet, *, steps: int = STEPS, batch_size: int = BATCH, seed: int = 0
) -> RetrievalLearner:
    """Train CLAIRES with small encoders on the training split of a set, on the CPU.

    The learner knows its recipe and can be saved; the global random state stays as it is. Raises
    TrainingError for a training split without two different captions.
    """
    index = data.splits["train"]
    captions = len(key_numbers(data)[index].unique())
    if captions < 2:
        raise TrainingError(
            f"{data.name}: training needs images with different captions, the training split has"
            f" {len(index)} images and {captions} captions"
        )
    settings = RetrievalSettings(
        encoder=ENCODER,
        image_size=data.images.size[0],
        steps=steps,
        batch_size=min(batch_size, len(index)),
        lr=2.0e-3,
    )
    with torch.random.fork_rng(devices=[]):
        learner = make_learner(_TARGET, _ARGS, settings, data, seed=seed)
        torch.manual_seed(runtime.derive_seed(seed, "train"))
        train(learner, data, settings, seed=seed, device=torch.device("cpu"))
    return learner.eval()
