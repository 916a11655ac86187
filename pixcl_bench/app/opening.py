"""How a gallery is made: from a folder of one's own, or the drawn radiographs of the suite."""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from pixcl_bench.app.gallery import FilePictures, Gallery, SourcePictures
from pixcl_bench.app.manifest import MANIFEST, OwnFolder, read_folder
from pixcl_bench.app.training import ENCODER, STEPS, train_retriever
from pixcl_bench.data.catalogue import cache_dir, load
from pixcl_bench.data.sets.captions import ClinicalCaptions, PlainCaptions
from pixcl_bench.data.sets.images import TensorImages
from pixcl_bench.data.sets.pairs import PairSet
from pixcl_bench.methods.claires.index import ImageIndex, IndexFileError, IndexMismatchError
from pixcl_bench.methods.claires.saving import (
    ModelFolderError,
    fingerprint,
    load_retriever,
    save_retriever,
)
from pixcl_bench.methods.contract.retrieval import RetrievalLearner

INDEX, MODEL = "index", "model"
DEFAULT = "periapical"


class OpeningError(ValueError):
    """A folder that cannot be opened or indexed; the message says what to do."""


def index_folder(
    folder: Path,
    *,
    model: Path | None = None,
    train: bool = False,
    steps: int = STEPS,
    seed: int = 0,
) -> tuple[ImageIndex, OwnFolder]:
    """Index the images of a folder with a saved model, or with one that is trained on its records.

    Index and model are written to `index/` in the folder, which `open_folder` reads. Raises
    OpeningError where neither or both are wanted, and what reading and training raise.
    """
    if train == (model is not None):
        raise OpeningError(
            "say which model embeds the images: --model FOLDER for a saved one, or --train to train"
            " a small one on the folder's own records"
        )
    learner = None if model is None else load_retriever(model)
    size = {} if learner is None else {"image_size": _recipe_size(learner)}
    own = read_folder(folder, **size, split_seed=seed)
    if learner is None:
        learner = train_retriever(own.data, steps=steps, seed=seed)
    data = own.data
    meta = {
        "fields": list(data.captioner.fields),
        "title": folder.name,
        "image_size": data.images.size[0],
        "trained_here": train,
    }
    index = ImageIndex.build(learner, data.images, data.ids, data.records, meta=meta)
    save_retriever(learner, folder / INDEX / MODEL)
    index.save(folder / INDEX)
    return index, own


def _recipe_size(learner: RetrievalLearner) -> int:
    if learner.recipe is None:
        raise OpeningError("the model does not say which size of images it takes")
    return learner.recipe.image_size


def open_folder(folder: Path) -> Gallery:
    """The gallery of a folder that `index_folder` has indexed.

    Raises OpeningError where it is not indexed, IndexMismatchError where its index is of another
    model.
    """
    if not folder.is_dir():
        raise OpeningError(f"{folder}: there is no such folder")
    if not (folder / INDEX / "meta.json").is_file():
        words = f"pixcl-bench index {folder} --train"
        if not (folder / MANIFEST).is_file():
            raise OpeningError(f"{folder}: has no {MANIFEST}, which lists images and records")
        raise OpeningError(f"{folder}: is not indexed yet (make an index with: {words})")
    learner = load_retriever(folder / INDEX / MODEL)
    index = ImageIndex.load(folder / INDEX)
    paths = [record.get("path", "") for record in index.records]
    fields = tuple(index.meta.get("fields", ()))
    captioner = PlainCaptions() if fields == PlainCaptions.fields else ClinicalCaptions(fields)
    trained = "trained on this folder's own records" if index.meta.get("trained_here") else "given"
    return Gallery(
        index=index,
        learner=learner,
        captioner=captioner,
        pictures=FilePictures(folder, paths, _recipe_size(learner)),
        title=str(index.meta.get("title", folder.name)),
        about={"data": f"{folder.name}, your own images", "model": f"CLAIRES, {trained}"},
    )


def default_gallery(
    cache: Path | None = None,
    *,
    steps: int = STEPS,
    seed: int = 0,
    on_train: Callable[[], None] = lambda: None,
) -> Gallery:
    """The test images of the drawn radiographs, with a model that is trained at the first call.

    Model and index are kept in the cache folder. `on_train` is called before a training.
    """
    data = load(DEFAULT)
    assert isinstance(data, PairSet)
    place = (
        (cache or cache_dir()) / "search" / f"{data.name}-{data.fingerprint[:12]}-{steps}-{seed}"
    )
    try:
        learner = load_retriever(place / MODEL)
    except ModelFolderError:
        on_train()
        learner = train_retriever(data, steps=steps, seed=seed)
        save_retriever(learner, place / MODEL)
    images, rows = _part(data, data.splits["test"])
    try:
        index = ImageIndex.load(place / INDEX, fingerprint=fingerprint(learner))
    except (IndexFileError, IndexMismatchError):
        ids, records = [data.ids[i] for i in rows], [data.records[i] for i in rows]
        index = ImageIndex.build(learner, images, ids, records)
        index.save(place / INDEX)
    return Gallery(
        index=index,
        learner=learner,
        captioner=data.captioner,
        pictures=SourcePictures(images),
        title="Search for dental radiographs",
        about={
            "data": f"{data.info.title} ({data.name}); the test images, which training did not see",
            "licence": data.info.licence,
            "model": f"CLAIRES, encoder {ENCODER}, {steps} steps",
        },
    )


def _part(data: PairSet, chosen: Tensor) -> tuple[TensorImages, list[int]]:
    """Some images of a set, and their places in it."""
    batches = list(data.images.batches([chosen], "cpu"))
    return TensorImages(batches[0]), chosen.tolist()
