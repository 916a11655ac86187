"""What the catalogue knows of one data set."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pixcl_bench.data.fetch import Source
from pixcl_bench.data.fingerprint import data_meaning, listing_digest
from pixcl_bench.meaning.graph import Code

Kind = Literal["embedded", "synthetic", "canonical"]


@dataclass(frozen=True)
class Published:
    """The published form of a canonical data set.

    `what` to get and from which `homepage`; `tree`: how it must lie under the data root, for people;
    `paths`: what must be there, relative to the root; `md5`: published checksums of files, (path, md5).
    `listed`: the data set is whatever lies in `folder`, so the fingerprint covers the listing of that
    folder.
    """

    what: str
    homepage: str
    folder: str
    tree: str
    paths: tuple[str, ...]
    md5: tuple[tuple[str, str], ...] = ()
    listed: bool = False


@dataclass(frozen=True)
class DatasetInfo:
    """One entry of the catalogue.

    `loader`: "module:function", a keyword-only function that returns an `ImageSet`; the catalogue passes it
    those of `root`, `cache`, `split_seed`, `image_size`, `workers` which its signature names. `code`:
    modules whose code decides what the arrays and splits are; the loader's own module where empty.
    `image_size`: side of the images in pixels, None where the loader is asked for a size.
    """

    name: str
    kind: Kind
    title: str
    licence: str
    citation: str
    size: str
    classes: tuple[str, ...]
    split_rule: str
    loader: str
    image_size: int | None
    sources: tuple[Source, ...] = ()
    published: Published | None = None
    code: tuple[str, ...] = ()
    notes: str = ""

    def source(self, package: str) -> Source:
        """The source of this package name; KeyError otherwise."""
        for source in self.sources:
            if source.package == package:
                return source
        raise KeyError(f"data set {self.name} takes nothing from {package!r}")

    def meaning(self) -> Code:
        """The code that decides the arrays and splits: what the loader reaches, and the modules of `code`."""
        return data_meaning(self.loader, self.code)

    def fingerprint(self, root: Path | None = None) -> str:
        """sha256 (hex) of all that decides the data: hashes of sources, conversion and split code, classes.

        Imports nothing and reads no data, except that a data set which is "whatever lies in the folder"
        (`imagefolder`) is covered by the paths and sizes of its files where `root` holds it.
        """
        facts = {
            "name": self.name,
            "classes": self.classes,
            "members": sorted((m.path, m.sha256) for source in self.sources for m in source.members),
            "published": sorted(self.published.md5) if self.published else [],
            "listing": self._listing(root),
            "code": self.meaning().hash,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _listing(self, root: Path | None) -> str | None:
        if self.published is None or not self.published.listed or root is None:
            return None
        folder = root / self.published.folder
        return listing_digest(folder) if folder.is_dir() else None

    def absent(self, root: Path) -> tuple[str, ...]:
        """The paths of the published tree that `root` lacks."""
        paths = self.published.paths if self.published else ()
        return tuple(path for path in paths if not (root / path).exists())

    def how_to_get(self, where: str) -> str:
        """What to get, from where, and the tree that is expected; `where` says what was looked at."""
        if self.published is None:
            return f"data set {self.name}: {where}"
        tree = "\n".join(f"      {line}" for line in self.published.tree.splitlines())
        return (
            f"data set {self.name} is not there: {where}\n"
            f"  get      {self.published.what}, from {self.published.homepage}\n"
            f"  expected tree\n{tree}\n"
            f"  then     pass --data-root ROOT, or set PIXCL_BENCH_DATA=ROOT"
        )
