"""A folder of one's own: `manifest.csv` and the images that it names, as a pair set."""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pixcl_bench.data.info import DatasetInfo
from pixcl_bench.data.sets.captions import (
    CLINICAL_WORDS,
    CaptionError,
    ClinicalCaptions,
    PlainCaptions,
)
from pixcl_bench.data.sets.images import FolderImages
from pixcl_bench.data.sets.pairs import PAIR_SPLITS, Captioner, PairSet, make_pair_set, split_groups

MANIFEST = "manifest.csv"
IMAGE_SIZE = 64
SMALLEST = 3


class ManifestError(ValueError):
    """A folder that cannot be read; the message names the file, the line and what to do."""


@dataclass(frozen=True)
class OwnFolder:
    """The images of a folder, and what was left out: images that are missing, records without a
    word."""

    data: PairSet
    missing: int
    wordless: int


def read_folder(folder: Path, *, image_size: int = IMAGE_SIZE, split_seed: int = 0) -> OwnFolder:
    """Read the manifest of a folder and find its images.

    Columns: `path` (relative to the folder) and either `caption` or clinical fields such as
    `diagnosis`; `image_id`, `patient_id` and `split` are optional. Raises ManifestError.
    """
    rows = _rows(folder / MANIFEST)
    captioner = captioner_for(rows[0])
    if captioner is None:
        raise ManifestError(
            f"{folder / MANIFEST}: no column describes the images ({', '.join(rows[0])}); name one"
            f" 'caption', or use clinical ones: {', '.join(CLINICAL_WORDS)}"
        )
    there = [row for row in rows if _inside(folder, row["path"]).is_file()]
    worded = [row for row in there if _words(folder / MANIFEST, captioner, row)]
    if len(worded) < SMALLEST:
        raise ManifestError(
            f"{folder / MANIFEST}: {len(worded)} records have an image and words, {SMALLEST} are"
            f" needed ({len(rows) - len(there)} images are missing)"
        )
    data = _set(folder, worded, captioner, image_size, split_seed)
    return OwnFolder(data, len(rows) - len(there), len(there) - len(worded))


def _set(
    folder: Path, rows: list[dict[str, str]], captioner: Captioner, size: int, seed: int
) -> PairSet:
    groups = [row.get("patient_id") or f"image {i}" for i, row in enumerate(rows)]
    splits: Mapping[str, object] = split_groups(groups, seed, folder.name)
    given = [row.get("split", "") for row in rows]
    if set(given) >= {"train", "test"}:
        splits = {name: [i for i, s in enumerate(given) if s == name] for name in PAIR_SPLITS}
    return make_pair_set(
        _info(folder),
        FolderImages([_inside(folder, row["path"]) for row in rows], size),
        rows,
        [row.get("image_id") or f"image-{i:05d}" for i, row in enumerate(rows)],
        groups,
        splits,
        captioner,
        seed,
    )


def _info(folder: Path) -> DatasetInfo:
    return DatasetInfo(
        name=folder.name,
        kind="canonical",
        title=folder.name,
        licence="your own",
        citation="none",
        size="",
        classes=(),
        split_rule="70/10/20 of the patients by seed, or the column split",
        loader="pixcl_bench.app.manifest:read_folder",
        image_size=None,
    )


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ManifestError(f"{folder / MANIFEST}: the path {name!r} leaves the folder")
    return path


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ManifestError(f"{path}: there is no such file; it lists images and their records")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [{k: v or "" for k, v in row.items() if k is not None} for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path}: is no CSV file in UTF-8: {error}") from error
    if not rows:
        raise ManifestError(f"{path}: has no record below its first line")
    if "path" not in rows[0]:
        raise ManifestError(f"{path}: has no column 'path'{_near('path', rows[0])}")
    return rows


def captioner_for(columns: Collection[str]) -> Captioner | None:
    """How records with these columns are put into words; None where no column can be."""
    fields = [name for name in CLINICAL_WORDS if name in columns]
    if "caption" in columns:
        return PlainCaptions()
    return ClinicalCaptions(fields) if fields else None


def _words(path: Path, captioner: Captioner, row: Mapping[str, str]) -> dict[str, str]:
    try:
        return captioner.values(row)
    except CaptionError as error:
        raise ManifestError(f"{path}, image {row['path']!r}: {error}") from error


def _near(name: str, row: Mapping[str, str]) -> str:
    found = get_close_matches(name, list(row), 1, 0.5)
    return f"; is it {found[0]!r}?" if found else f" (columns: {', '.join(row)})"
