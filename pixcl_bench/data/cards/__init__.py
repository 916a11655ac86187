"""The cards of the built-in data sets: the facts of each, in TOML files beside this module.

A card `NAME.toml` holds one set of that name, or several that share facts: what stands at the top
is true of all of them, a table `[sets.OTHER]` adds to it or replaces it. Its keys are those of
`DatasetInfo`, with these forms:

- `sources` names files of `sources.toml`, where version, path, sha256 and size are: by package, the
  short names of the files, by which the loader calls them too.
- `[rules]` holds the facts that the loader reads; they are part of the fingerprint.
- Strings may hold `$word`: a text of `shared.toml`, a value of the card's own `[fill]`, `$name` (of
  the set) or `$function` (the name as Python writes it).
- `[published.md5]` gives checksums by path; these paths are the `paths` where none are given.

`index.toml` lists the sets in the order of the catalogue. A card is read when its set is asked for.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixcl_bench.data.fetch import Member, Source
from pixcl_bench.data.info import DatasetInfo, Kind, Published

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Text = Annotated[str, Field(min_length=1)]
_WORD = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
Table = dict[str, Any]


class CardError(ValueError):
    """A card that cannot be read; the message names the file, the key and the value."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Member(_Strict):
    path: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]


class _Source(_Strict):
    version: Text
    sdist: bool = False
    members: Annotated[dict[str, _Member], Field(min_length=1)]


class _Published(_Strict):
    what: Text
    homepage: Annotated[str, Field(pattern=r"^https?://\S+$")]
    folder: Text
    tree: Text
    paths: list[Text] = []
    md5: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]] = {}


class _Card(_Strict):
    title: Text
    kind: Kind
    size: Text
    image_size: Annotated[int, Field(gt=0)] | None = None
    classes: list[Text]
    split_rule: Text
    loader: Annotated[str, Field(pattern=r"^[a-z]\w*(\.\w+)+:[a-z]\w*$")]
    sources: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    licence: Text
    citation: Text
    notes: str = ""
    published: _Published | None = None
    rules: dict[str, Any] = {}


class _Beside(_Strict):
    """What a card holds beside the facts."""

    fill: dict[str, str] = {}
    sets: dict[str, dict[str, Any]] = {}


class _Shared(_Strict):
    texts: dict[str, str]


class _Index(_Strict):
    order: list[Text]


class Cards(Mapping[str, DatasetInfo]):
    """The data sets of the cards in a folder by name, in the order of its `index.toml`.

    Looking up a name reads the card that holds it. Raises `CardError` for what is wrong in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, DatasetInfo] = {}

    @cached_property
    def files(self) -> dict[str, str]:
        """The card of each set."""
        path = self.folder / "index.toml"
        order = _checked(_Index, _read(path), str(path), {}).order
        files = {entry.rpartition("/")[2]: entry.partition("/")[0] for entry in order}
        if len(files) != len(order):
            names = [entry.rpartition("/")[2] for entry in order]
            twice = next(name for name in names if names.count(name) > 1)
            raise CardError(f"{path}: order names the data set {twice!r} twice")
        return files

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: object) -> bool:
        return name in self.files

    def __getitem__(self, name: str) -> DatasetInfo:
        if name not in self._known:
            self._known |= self._sets(self.files[name])
        return self._known[name]

    def _sets(self, card: str) -> dict[str, DatasetInfo]:
        """All sets of a card."""
        path = self.folder / f"{card}.toml"
        shared = _read(path)
        beside = _checked(_Beside, {"sets": shared.pop("sets", {})}, str(path), {})
        sets = beside.sets or {card: {}}
        listed = [name for name, file in self.files.items() if file == card]
        if sorted(sets) != sorted(listed):
            there, said = ", ".join(sets), ", ".join(listed)
            raise CardError(f"{path}: holds {there}, but index.toml says {said}")
        found = {}
        for name, own in sets.items():
            where = f"{path}, set {name}" if len(sets) > 1 else str(path)
            found[name] = self._set(name, _merged(shared, own), where)
        return found

    def _set(self, name: str, table: Table, where: str) -> DatasetInfo:
        beside = _checked(_Beside, {"fill": table.pop("fill", {})}, where, {})
        own = {"name": name, "function": name.replace("-", "_")} | beside.fill
        filled = _filled(table, own, self._shared.texts, where)
        card = _checked(_Card, filled, where, {1: _Published})
        _check_whole(card, where)
        published = card.published
        return DatasetInfo(
            name=name,
            sources=tuple(self._source(p, names, where) for p, names in card.sources.items()),
            published=None if published is None else _published(published),
            classes=tuple(card.classes),
            **card.model_dump(exclude={"sources", "published", "classes"}),
        )

    @cached_property
    def _shared(self) -> _Shared:
        path = self.folder / "shared.toml"
        shared: _Shared = _checked(_Shared, _read(path), str(path), {})
        return shared

    @cached_property
    def _sources(self) -> dict[str, _Source]:
        path = self.folder / "sources.toml"
        return {
            package: _checked(_Source, table, f"{path}, package {package}", {2: _Member})
            for package, table in _read(path).items()
        }

    def _source(self, package: str, names: Sequence[str], where: str) -> Source:
        source = _named(self._sources, package, f"{where}: sources", "package of sources.toml")
        members = []
        for name in names:
            at = f"{where}: sources.{package}"
            member = _named(source.members, name, at, f"file of {package} in sources.toml")
            members.append(Member(member.path, member.sha256, member.size, name))
        return Source(package, source.version, tuple(members), source.sdist)


BUILT_IN = Cards(Path(__file__).parent)
"""The data sets that come with the package."""


def _read(path: Path) -> Table:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CardError(f"{path}: there is no such card") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CardError(f"{path}: is not TOML ({error})") from error


def _merged(shared: Table, own: Table) -> Table:
    """`own` over `shared`; tables in both are joined."""
    tables = [
        key for key in own if isinstance(own[key], dict) and isinstance(shared.get(key), dict)
    ]
    return shared | own | {key: shared[key] | own[key] for key in tables}


def _filled(table: Table, own: Mapping[str, str], texts: Mapping[str, str], where: str) -> Table:
    """The table with every `$word` in its strings replaced."""
    words, used = {**texts, **own}, {"name", "function"}

    def fill(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: fill(inner, f"{key}.{name}".strip(".")) for name, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, key) for inner in value]
        if not isinstance(value, str):
            return value
        found = {a or b for a, b in _WORD.findall(value)}
        used.update(found)
        said = {word: _named(words, word, f"{where}: {key}", "word to fill in") for word in found}
        return _WORD.sub(lambda match: said[match[1] or match[2]], value)

    done: Table = fill(table, "")
    if idle := [word for word in own if word not in used]:
        raise CardError(
            f"{where}: fill.{idle[0]} is {own[idle[0]]!r}, but no string says ${idle[0]}"
        )
    return done


def _named(known: Mapping[str, Any], name: str, where: str, what: str) -> Any:
    if name in known:
        return known[name]
    raise CardError(f"{where}: {name!r} is no {what}{_nearest(name, known)}")


def _nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    near = get_close_matches(name, list(known), 1, 0.4)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def _checked(model: type[Any], table: Table, where: str, inner: Mapping[int, type[_Strict]]) -> Any:
    """The table as `model`. `inner`: the models of the tables that lie so deep in it."""
    try:
        return model.model_validate(table)
    except ValidationError as error:
        faults = error.errors()  # a misspelt key explains the one that is missing
        first = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    *above, last = first["loc"]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        keys = [
            *inner.get(len(above), model).model_fields,
            *(_Beside.model_fields if model is _Card and not above else ()),
        ]
        found, near = first["input"], _nearest(str(last), keys)
        raise CardError(f"{where}: key {key!r} is unknown (it is {found!r}){near}")
    if first["type"] == "missing":
        raise CardError(f"{where}: key {key!r} is missing")
    raise CardError(f"{where}: {key} is {first['input']!r}: {first['msg']}")


def _check_whole(card: _Card, where: str) -> None:
    twice = [name for name in card.classes if card.classes.count(name) > 1]
    if twice:
        raise CardError(f"{where}: classes has {twice[0]!r} twice")
    for key, kind in (("sources", "embedded"), ("published", "canonical")):
        if bool(getattr(card, key)) != (card.kind == kind):
            raise CardError(f"{where}: kind is {card.kind!r}, and only {kind!r} sets have {key!r}")
    if card.published is not None and not (card.published.paths or card.published.md5):
        raise CardError(f"{where}: published.paths is missing: what must lie below the data root?")


def _published(table: _Published) -> Published:
    md5 = tuple(table.md5.items())
    paths = tuple(table.paths) or tuple(table.md5)
    return Published(table.what, table.homepage, table.folder, table.tree, paths, md5)
