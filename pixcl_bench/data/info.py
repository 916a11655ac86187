"""What the catalogue knows of one data set."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.fingerprint import data_meaning
from pixcl_bench.data.listing import folder_digest
from pixcl_bench.meaning.graph import Code

Kind = Literal["embedded", "synthetic", "canonical"]


@dataclass(frozen=True)
class Published:
    """The published form of a canonical data set.

    `what` to get and from which `homepage`; `folder`: where it lies below the data root; `tree`:
    how it must lie there, for people; `paths`: what must be there, relative to the root; `md5`:
    published checksums of files, (path, md5).
    """

    what: str
    homepage: str
    folder: str
    tree: str
    paths: tuple[str, ...]
    md5: tuple[tuple[str, str], ...] = ()


def _is_text(value: object) -> bool:
    return isinstance(value, str)


@dataclass(frozen=True)
class DatasetInfo:
    """One entry of the catalogue.

    `loader`: "module:function", a keyword-only function that returns the set; the catalogue passes
    it those of `root`, `cache`, `split_seed`, `image_size`, `workers` which its signature names.
    `code`: modules that the loader reaches in ways which cannot be read from its code; usually
    none, since what the loader calls is followed by name. `image_size`: side of the images in
    pixels, None where the loader is asked for a size. `rules`: facts that the loader reads and that
    decide arrays or splits, as JSON has them.
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
    rules: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def fault(self) -> str:
        """What of an entry that another package made is not as it must be; empty: nothing."""
        module, colon, function = self.loader.partition(":") if _is_text(self.loader) else ("",) * 3
        if not (colon and function.isidentifier() and module.replace(".", "_").isidentifier()):
            return f"must have a loader written as package.module:function, not {self.loader!r:.80}"
        if self.kind not in get_args(Kind):
            return f"must be of kind {', '.join(get_args(Kind))}, not {self.kind!r:.80}"
        wrong = [
            name
            for name in ("title", "licence", "citation", "size", "split_rule", "notes")
            if not _is_text(getattr(self, name))
        ]
        if wrong:
            return f"must have a text as its {wrong[0]}, not {getattr(self, wrong[0])!r:.80}"
        return ""

    def source(self, package: str) -> Source:
        """The source of this package name; KeyError otherwise."""
        for source in self.sources:
            if source.package == package:
                return source
        raise KeyError(f"data set {self.name} takes nothing from {package!r}")

    def member(self, name: str) -> tuple[Source, Member]:
        """The source file with this short name, and where it comes from; KeyError otherwise."""
        for source in self.sources:
            for member in source.members:
                if member.name == name:
                    return source, member
        known = ", ".join(member.name for source in self.sources for member in source.members)
        raise KeyError(
            f"data set {self.name} has no source file {name!r}; it has {known or 'none'}"
        )

    def meaning(self) -> Code:
        """The code that decides the arrays and splits: what the loader reaches, and the modules of
        `code`."""
        return data_meaning(self.loader, self.code)

    def fingerprint(self, root: Path | None = None) -> str:
        """sha256 (hex) of all that decides the data: hashes of sources, conversion and split code,
        classes, rules, and what lies in the published folder.

        Imports nothing. With a `root` that holds the folder of a canonical set, every file in it is
        looked at and small lists are read; see `folder_digest` for what counts and what it costs.
        """
        facts = {
            "name": self.name,
            "classes": self.classes,
            "members": sorted(
                (m.path, m.sha256) for source in self.sources for m in source.members
            ),
            "published": sorted(self.published.md5) if self.published else [],
            "rules": self.rules,
            "listing": self._listing(root),
            "code": self.meaning().hash,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _listing(self, root: Path | None) -> str | None:
        if self.published is None or root is None:
            return None
        folder = root / self.published.folder
        return folder_digest(folder) if folder.is_dir() else None

    def absent(self, root: Path) -> tuple[str, ...]:
        """The paths of the published tree that `root` lacks."""
        paths = self.published.paths if self.published else ()
        return tuple(path for path in paths if not (root / path).exists())

    def how_to_get(self, where: str) -> str:
        """What to get, from where, and the tree that is expected; `where` says what was looked
        at."""
        if self.published is None:
            return f"data set {self.name}: {where}"
        tree = "\n".join(f"      {line}" for line in self.published.tree.splitlines())
        return (
            f"data set {self.name} is not there: {where}\n"
            f"  get      {self.published.what}, from {self.published.homepage}\n"
            f"  expected tree\n{tree}\n"
            "  then     pass --data-root ROOT, or set PIXCL_BENCH_DATA=ROOT"
        )
