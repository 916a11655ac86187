"""What is searched: an index, the model that made it, captions, and pictures to look at."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image
from torch import Tensor

from pixcl_bench.data.canonical.manifest import NotAnImage, fit_square, read_image
from pixcl_bench.data.sets.images import ImageSource
from pixcl_bench.data.sets.pairs import Captioner, Record
from pixcl_bench.methods.claires.index import PRIVATE, ImageIndex, check_model
from pixcl_bench.methods.claires.saving import fingerprint
from pixcl_bench.methods.claires.text import Tokenizer
from pixcl_bench.methods.contract.retrieval import RetrievalLearner

THUMBNAIL = 320
"""The longer side of a picture that is shown, in pixels."""

MAX_BYTES = 20_000_000
"""An uploaded image is at most this large."""

HIDDEN = ("image_id", "path", "split", *PRIVATE)
"""Columns of a manifest that are no description of an image."""

_CACHED = 256
_FEW = 12
_SHORT = 2
_SHOWN_FILTERS = 12
_SMALL_WORDS = {"a", "an", "and", "at", "for", "in", "is", "of", "on", "or", "the", "to", "with"}


class PictureError(ValueError):
    """An image that cannot be shown or read; the message is for the user and has no full path."""


@runtime_checkable
class Pictures(Protocol):
    """Pictures of the images of an index, by row."""

    def png(self, row: int) -> bytes:
        """The picture of a row as PNG. Raises PictureError."""

    def decode(self, data: bytes) -> UInt8[Tensor, "3 h w"]:
        """The bytes of an image file as the model's images are made. Raises PictureError."""


class SourcePictures:
    """Pictures of an `ImageSource`, for sets without files."""

    def __init__(self, images: ImageSource) -> None:
        self._images, self._lock = images, Lock()
        self._shown = Remembered(self._drawn)

    def png(self, row: int) -> bytes:
        return cast(bytes, self._shown(row))

    def decode(self, data: bytes) -> UInt8[Tensor, "3 h w"]:
        return _square(data, self._images.size[0])

    def _drawn(self, row: int) -> bytes:
        with self._lock:
            batch = next(iter(self._images.batches([torch.tensor([row])], "cpu")))
        return _png(Image.fromarray(batch[0].permute(1, 2, 0).contiguous().numpy()))


class FilePictures:
    """Pictures of image files below a folder; `size`: side of the model's images, in pixels."""

    def __init__(self, folder: Path, paths: Sequence[str], size: int) -> None:
        self._folder, self._paths, self._size = folder.resolve(), tuple(paths), size
        self._shown = Remembered(self._read)

    def png(self, row: int) -> bytes:
        return cast(bytes, self._shown(self._paths[row]))

    def decode(self, data: bytes) -> UInt8[Tensor, "3 h w"]:
        return _square(data, self._size)

    def _read(self, name: str) -> bytes:
        path = (self._folder / name).resolve()
        if not path.is_relative_to(self._folder):
            raise PictureError(f"The path {name!r} leaves the folder of the images.")
        if not path.is_file():
            raise PictureError(f"The image file {name!r} is missing.")
        try:
            return _png(read_image(path))
        except NotAnImage as error:
            raise PictureError(f"The image file {name!r} {error}.") from error


def _square(data: bytes, size: int) -> Tensor:
    """The bytes of an image file as the images of a manifest are made. Raises PictureError."""
    if len(data) > MAX_BYTES:
        raise PictureError(f"The file is larger than {MAX_BYTES // 1_000_000} MB.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        path.write_bytes(data)
        try:
            return torch.from_numpy(fit_square(read_image(path), size))
        except NotAnImage as error:
            raise PictureError("The file cannot be read as an image.") from error


def _png(image: Image.Image) -> bytes:
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


class Remembered:
    """A function of one hashable value that keeps its last results, for several threads."""

    def __init__(self, function: Callable[[Any], Any], size: int = _CACHED) -> None:
        self._function, self._size = function, size
        self._kept: OrderedDict[Any, Any] = OrderedDict()
        self._lock = Lock()

    def __call__(self, value: Any) -> Any:
        with self._lock:
            if value in self._kept:
                self._kept.move_to_end(value)
                return self._kept[value]
        found = self._function(value)
        with self._lock:
            self._kept[value] = found
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return found


@dataclass(frozen=True)
class Choice:
    """A field to filter by: its few values, or, without values, its range of numbers."""

    name: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0


class Gallery:
    """An index with the model that made it, ready to be searched by any number of sessions.

    `about`: facts on data and model, in the order in which they are shown. Raises
    IndexMismatchError where the index was made by another model.
    """

    def __init__(
        self,
        *,
        index: ImageIndex,
        learner: RetrievalLearner,
        captioner: Captioner,
        pictures: Pictures,
        title: str,
        about: Mapping[str, str] | None = None,
    ) -> None:
        check_model(index.fingerprint, fingerprint(learner), f"The index of {title}")
        learner.eval()
        self.index, self.learner, self.captioner = index, learner, captioner
        self.pictures, self.title, self.about = pictures, title, dict(about or {})
        self._rows = {image_id: row for row, image_id in enumerate(index.ids)}
        self._keys = grouped(map(self.key_of, index.records))
        self._terms = {
            name: grouped(record.get(name, "") for record in index.records)
            for name in captioner.fields
        }
        self._embedded = Remembered(self._embed_text)

    def row(self, image_id: str) -> int:
        """The row of an image. Raises KeyError for an unknown id."""
        return self._rows[image_id]

    def key_of(self, record: Record) -> str:
        """The caption key of a record, without marks and capitals."""
        return folded(self.captioner.key(record))

    def with_key(self, key: str) -> Bool[Tensor, " n"]:
        """The images whose caption has this key; none for an empty one."""
        return self._mask(self._keys.get(key, []) if key else [])

    def named_fields(self, query: str) -> dict[str, Bool[Tensor, " n"]]:
        """The fields that a query names, and the images that agree with it."""
        found = {}
        for name, rows in self._terms.items():
            named = [row for value in rows if self.names(query, name, value) for row in rows[value]]
            if named:
                found[name] = self._mask(named)
        return found

    def names(self, query: str, name: str, value: str) -> bool:
        """Whether a query names this value of a field, in the words of the captions."""
        record = {name: value}
        word = self.captioner.values(record).get(name, "") if value else ""
        # A word as short as "I" or "no" says nothing without what it belongs to.
        alone = [word] if len(word) > _SHORT else []
        phrases = [*alone, f"{name} {word}", self.captioner.canonical(record)] if word else []
        text = f" {folded(query)} "
        return any(f" {folded(phrase)} " in text for phrase in phrases if folded(phrase))

    def _mask(self, rows: Sequence[int]) -> Tensor:
        mask = torch.zeros(len(self.index), dtype=torch.bool)
        mask[list(rows)] = True
        return mask

    def embed_text(self, text: str) -> Float32[Tensor, " d"]:
        """The embedding of a text; those of recent texts are remembered."""
        return cast(Tensor, self._embedded(text))

    @torch.no_grad()
    def _embed_text(self, text: str) -> Tensor:
        return self.learner.embed_texts([text])[0].float().cpu()

    @torch.no_grad()
    def embed_image(self, data: bytes) -> Float32[Tensor, " d"]:
        """The embedding of the bytes of an image file. Raises PictureError."""
        image = self.pictures.decode(data).float()[None] / 255
        where = next(iter(self.learner.parameters()), torch.empty(0)).device
        return self.learner.embed_images(image.to(where))[0].float().cpu()

    def unknown_words(self, text: str) -> tuple[list[str], list[str]]:
        """The words of a text that the model does not know, and all its words.

        Small words such as "the" count as known where another word is.
        """
        every = list(dict.fromkeys(words_of(text)))
        words = [word for word in every if word not in _SMALL_WORDS] or every
        tokenizer = self.learner.tokenizer
        # A model with sub-words knows every word.
        known = set(tokenizer.words) if isinstance(tokenizer, Tokenizer) else set(words)
        return [word for word in words if word not in known], words

    def choices(self) -> list[Choice]:
        """The fields that one can filter by: those with few values, and numbers."""
        found: dict[str, dict[str, None]] = {}
        lists = {n for record in self.index.records for n, text in record.items() if ";" in text}
        for record in self.index.records:
            for name, text in record.items():
                parts = found.setdefault(name, {})
                parts.update(dict.fromkeys(part for part in text.split(";") if part))
        names = dict.fromkeys([*self.captioner.fields, *found])
        made = [
            _choice(n, list(found[n]), n in lists) for n in names if n in found and n not in HIDDEN
        ]
        return [each for each in made if each is not None][:_SHOWN_FILTERS]

    def shown(self, record: Record) -> dict[str, str]:
        """The fields of a record that are shown: first as captions name them, then the others."""
        hidden = {*HIDDEN, *self.captioner.fields}
        others = {name: text for name, text in record.items() if name not in hidden and text}
        return self.captioner.values(record) | others

    def examples(self, count: int = 6) -> list[str]:
        """Captions of images spread over the index, no caption twice, to start with."""
        spread = torch.linspace(0, len(self.index) - 1, min(len(self.index), 4 * count)).long()
        records = (self.index.records[row] for row in spread.tolist())
        texts = dict.fromkeys(self.captioner.canonical(record) for record in records)
        return [text for text in texts if text][:count]


def words_of(text: str) -> list[str]:
    """The words of a text in small letters."""
    return re.findall(r"\w+", text.lower())


def _choice(name: str, values: Sequence[str], is_list: bool) -> Choice | None:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) > _FEW and not is_list:
        return Choice(name, low=min(numbers), high=max(numbers))
    if 1 < len(values) <= _FEW:
        return Choice(name, tuple(sorted(values)))
    return None


def folded(text: str) -> str:
    """The words of a text with one blank between them."""
    return " ".join(words_of(text))


def grouped(values: Iterable[str]) -> dict[str, list[int]]:
    """The places of each value."""
    found: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        found.setdefault(value, []).append(place)
    return found
