"""A gallery of coloured squares with a model that needs no training: words and images are embedded
as colours."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcl_bench.app.gallery import Gallery, Pictures, SourcePictures
from pixcl_bench.data.sets.captions import FieldCaptions
from pixcl_bench.data.sets.images import TensorImages
from pixcl_bench.methods.claires.index import ImageIndex
from pixcl_bench.methods.claires.text import Tokenizer, split_words
from pixcl_bench.methods.contract.retrieval import RetrievalLearner

COLOURS = {"red": (1.0, 0.0, 0.0), "green": (0.0, 1.0, 0.0), "blue": (0.0, 0.0, 1.0)}
SHADES = {"dark": 0.4, "bright": 1.0}


class ColourCaptions(FieldCaptions):
    """ "A bright red square." """

    fields = ("shade", "colour")
    wordings: ClassVar = {"shade": ("{}",), "colour": ("{}",)}

    def sentence(self, values: Mapping[str, str]) -> str:
        words = [values[name] for name in self.fields if name in values]
        return f"A {' '.join(words)} square." if words else ""


class ColourLearner(RetrievalLearner):
    """Embeds an image as its mean colour and a text as the colours that it names."""

    batch_keys = ("image", "tokens", "mask", "group")

    def __init__(self, *, offset: float = 0.05) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(offset))
        self.tokenizer = Tokenizer((".", "a", "square", *COLOURS, *SHADES))

    def losses(self, batch: object, progress: float) -> dict[str, Tensor]:
        raise NotImplementedError

    def embed_images(self, images: Tensor) -> Tensor:
        return F.normalize(images.mean(dim=(2, 3)) + self.offset, dim=1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for text in texts:
            named = [torch.tensor(COLOURS[word]) for word in split_words(text) if word in COLOURS]
            rows.append(torch.stack([*named, torch.full((3,), float(self.offset))]).sum(0))
        return F.normalize(torch.stack(rows), dim=1)


def make_gallery(
    count: int = 24, pictures: Pictures | None = None, learner: ColourLearner | None = None
) -> Gallery:
    """Squares of 8 pixels whose colours and shades take turns."""
    model = learner or ColourLearner()
    names, shades = list(COLOURS), list(SHADES)
    records, images = [], torch.zeros(count, 3, 8, 8)
    for i in range(count):
        colour, shade = names[i % 3], shades[i // 3 % 2]
        records.append(
            {
                "colour": colour,
                "shade": shade,
                "weight": str(10 + i),
                "note": "<b>bold</b>" if i == 0 else "",
                "patient_id": f"PATIENT-{i}",
            }
        )
        tint = torch.tensor(COLOURS[colour]) * SHADES[shade]
        images[i] = (255 * tint * (1 - i / 400))[:, None, None]
    source = TensorImages(images.to(torch.uint8))
    ids = [f"square-{i:02d}" for i in range(count)]
    index = ImageIndex.build(model, source, ids, records)
    return Gallery(
        index=index,
        learner=model,
        captioner=ColourCaptions(),
        pictures=pictures or SourcePictures(source),
        title="Coloured squares",
        about={"data": "squares", "licence": "none"},
    )
