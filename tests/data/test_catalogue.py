"""The catalogue: entries, names, fingerprints, entry points, and what it says of data that are not
there."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pixcl_bench.data import catalogue as module
from pixcl_bench.data.cards import BUILT_IN
from pixcl_bench.data.catalogue import (
    CatalogueError,
    DatasetInfo,
    catalogue,
    get_info,
    load,
    missing,
)
from pixcl_bench.data.fingerprint import data_meaning
from pixcl_bench.data.plugins import PluginWarning
from pixcl_bench.meaning.source import find_module

NAMES = (
    "landcover-tiles",
    "digits",
    "cifar10",
    "cifar100",
    "stl10",
    "imagefolder",
    "emoji",
    "tiny-imagenet",
    "medmnist",
    "cardiac",
    "atrium",
    "brain",
    "torso",
    "acdc",
    "la2018",
    "pancreas-ct",
    "msd-heart",
    "msd-pancreas",
    "drr",
    "drr-lateral",
    "drr-hard",
    "brain-landmarks",
    "stereo",
    "cephalogram",
    "cephalogram-framed",
    "hand",
    "isbi2015",
    "hand-atlas",
    "landcover",
    "brain-slices",
    "torso-slices",
    "fundus",
    "aerial",
    "potsdam",
    "loveda-urban",
    "loveda-rural",
    "idrid-disc",
    "idrid-hard-exudates",
    "idrid-haemorrhages",
    "idrid-microaneurysms",
    "idrid-soft-exudates",
    "drishti-disc",
    "drishti-cup",
    "rite-vessel",
    "stare-vessel",
    "chase-vessel",
    "hrf-vessel",
    "siim-pneumothorax",
    "scr-heart",
    "scr-lung",
    "scr-clavicle",
    "periapical",
    "slice-captions",
    "emoji-text",
    "manifest",
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable folder `toy_package` with one module `loader`."""
    folder = tmp_path / "toy_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('must not be imported')\n")
    (folder / "loader.py").write_text(
        '"""Doc."""\n\n\ndef load():\n    """More."""\n    return 1\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def announce(monkeypatch: pytest.MonkeyPatch, *points: tuple[str, str]) -> None:
    made = tuple(EntryPoint(name, value, module.GROUP) for name, value in points)
    monkeypatch.setattr(module, "entry_points", lambda group: made if group == module.GROUP else ())


def test_the_built_in_entries_are_complete() -> None:
    assert tuple(info.name for info in BUILT_IN.values()) == NAMES == tuple(BUILT_IN)
    for info in BUILT_IN.values():
        assert info.kind in ("embedded", "synthetic", "canonical")
        assert all((info.title, info.licence, info.citation, info.size, info.split_rule))
        assert bool(info.sources) == (info.kind == "embedded")
        assert (info.published is None) == (info.kind != "canonical")
        assert len(set(info.classes)) == len(info.classes)
        assert find_module(info.loader.partition(":")[0])
    assert [len(get_info(name).classes) for name in NAMES] == [
        11,
        10,
        10,
        100,
        10,
        0,
        8,
        0,
        0,
        4,
        2,
        14,
        14,
        4,
        2,
        2,
        2,
        2,
        17,
        17,
        17,
        0,
        0,
        19,
        19,
        37,
        19,
        37,
        *(11, 14, 14, 5, 6),
        *(6, 7, 7),
        *[2] * 15,
        *(0, 0, 8, 0),
    ]


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(
        CatalogueError, match=r"unknown data set 'landcover_tile': did you mean 'landcover-tiles'\?"
    ):
        get_info("landcover_tile")
    with pytest.raises(CatalogueError, match="known are landcover-tiles, digits"):
        load("zzz")


def test_the_catalogue_needs_no_torch() -> None:
    code = (
        "import sys; from pixcl_bench.data.catalogue import catalogue, missing\nprints = [(name,"
        " info.fingerprint(), missing(name)) for name, info in catalogue().items()]\nassert"
        " len(prints) >= 6; print({'torch', 'torchvision', 'PIL'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_missing_says_what_where_from_and_the_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIXCL_BENCH_DATA", raising=False)
    assert missing("digits") is None
    assert "no data root is set" in str(missing("cifar10"))
    assert "does not exist" in str(missing("cifar10", tmp_path / "nowhere"))
    text = str(missing("cifar100", tmp_path))
    for part in (
        str(tmp_path),
        "cifar-100-python/train",
        "cs.toronto.edu",
        "expected tree",
        "PIXCL_BENCH_DATA",
    ):
        assert part in text
    for name in ("train", "test"):
        (tmp_path / "cifar-100-python").mkdir(exist_ok=True)
        (tmp_path / "cifar-100-python" / name).touch()
    assert "has no cifar-100-python/meta\n" in str(missing("cifar100", tmp_path))
    (tmp_path / "cifar-100-python" / "meta").touch()
    monkeypatch.setenv("PIXCL_BENCH_DATA", str(tmp_path))
    assert missing("cifar100") is None
    with pytest.raises(CatalogueError, match="data set stl10 is not there"):
        load("stl10")


def test_fingerprints_differ_and_stay() -> None:
    prints = {info.name: info.fingerprint() for info in BUILT_IN.values()}
    assert len(set(prints.values())) == len(BUILT_IN)
    assert prints == {info.name: info.fingerprint() for info in BUILT_IN.values()}
    assert all(len(value) == 64 for value in prints.values())


def test_a_fingerprint_covers_members_classes_and_code(package: Path) -> None:
    info = replace(get_info("digits"), loader="toy_package.loader:load", code=())
    before, loader = info.fingerprint(), package / "loader.py"
    source = info.sources[0]
    other = replace(source, members=(replace(source.members[0], sha256="0" * 64),))
    assert replace(info, sources=(other,)).fingerprint() != before
    assert (
        replace(info, sources=(replace(source, version="9.9"),)).fingerprint() == before
    )  # a rebuild with the same file
    assert replace(info, classes=("zero",)).fingerprint() != before
    assert replace(info, title="another title", notes="prose").fingerprint() == before
    loader.write_text(
        '"""Other doc."""\n# a comment\n\n\n\ndef load():\n    """Less."""\n\n    return (1)\n'
    )
    assert info.fingerprint() == before
    loader.write_text("def load():\n    return 2\n")
    assert info.fingerprint() != before


def test_the_meaning_of_a_loader_imports_nothing(package: Path) -> None:
    assert len(data_meaning("toy_package.loader:load").hash) == 20
    assert "toy_package" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=r"toy_package\.absent"):
        data_meaning("toy_package.absent:load")
    with pytest.raises(ModuleNotFoundError, match=r"no source of module 'not_installed_here\.x'"):
        data_meaning("not_installed_here.x:load")


def foreign(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> None:
    made = ModuleType("foreign_entries")
    for name, value in attributes.items():
        setattr(made, name, value)
    monkeypatch.setitem(sys.modules, "foreign_entries", made)


def toy_info(**changes: Any) -> DatasetInfo:
    """An entry of another package; types are checked in tests only, so that it may be wrong."""
    given = {"name": "toy", "loader": "foreign_entries:read", "sources": (), "code": ()}
    info = replace(get_info("digits"), **given)
    for name, value in changes.items():
        object.__setattr__(info, name, value)
    return info


def test_other_packages_add_data_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def read(*, split_seed: int = 0, root: Path | None = None) -> str:
        seen.update(split_seed=split_seed, root=root)
        return "loaded"

    foreign(monkeypatch, TOY=toy_info(), read=read)
    announce(monkeypatch, ("toy", "foreign_entries:TOY"))
    assert [*catalogue()] == [*NAMES, "toy"]
    assert len(catalogue()) == len(NAMES) + 1
    assert (
        load("toy", tmp_path, split_seed=3, image_size=64, workers=2) == "loaded"
    )  # only what it names is passed
    assert seen == {"split_seed": 3, "root": tmp_path}


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (("toy", "foreign_entries:ABSENT"), "cannot be loaded: AttributeError"),
        (("toy", "not_here:TOY"), "cannot be loaded: .*No module named 'not_here'"),
        (("toy", "ends:TOY"), "cannot be loaded: SystemExit: 0"),
        (("toy", "raises:TOY"), "cannot be loaded: ZeroDivisionError: division by zero"),
        (("other", "foreign_entries:TOY"), "must be a DatasetInfo named 'other', .* 'toy'"),
        (("toy", "foreign_entries:WRONG"), "must be a DatasetInfo named 'toy', it is 'text'"),
        (("toy", "foreign_entries:KIND"), "must be of kind embedded, .*, not 'own'"),
        (("toy", "foreign_entries:LOADER"), "must have a loader written as .*, not 'read'"),
        (("toy", "foreign_entries"), "is not written as package.module:NAME"),
        (("../toy", "foreign_entries:TOY"), "has no name for a folder"),
    ],
)
def test_a_wrong_entry_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, point: tuple[str, str], message: str
) -> None:
    wrong = {"KIND": toy_info(kind="own"), "LOADER": toy_info(loader="read"), "WRONG": "text"}
    foreign(monkeypatch, TOY=toy_info(), **wrong)
    (tmp_path / "ends.py").write_text("raise SystemExit(0)")
    (tmp_path / "raises.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(str(tmp_path))
    announce(monkeypatch, point)
    with pytest.warns(PluginWarning, match=message):
        assert [name for name, _ in catalogue().items()] == list(NAMES)
    with pytest.raises(CatalogueError, match=message):
        get_info(point[0])


def test_names_in_use_stay_with_whom_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(monkeypatch, TOY=toy_info(), OTHER=toy_info())
    announce(
        monkeypatch,
        ("digits", "foreign_entries:TOY"),
        ("toy", "foreign_entries:TOY"),
        ("toy", "foreign_entries:OTHER"),
    )
    with pytest.warns(PluginWarning) as told:
        assert list(catalogue()) == list(NAMES)
    assert "takes the name 'digits', which pixcl_bench has" in str(told[0].message)
    assert "takes the same name as entry point 'toy'" in str(told[1].message)
    assert get_info("digits").loader == "pixcl_bench.data.embedded.digits:digits"


def test_what_a_package_prints_is_no_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign(monkeypatch, TOY=toy_info())
    (tmp_path / "prints.py").write_text("print('hello'); from foreign_entries import TOY")
    monkeypatch.syspath_prepend(str(tmp_path))
    announce(monkeypatch, ("toy", "prints:TOY"))
    with pytest.warns(PluginWarning, match="writes to the standard output .*: 'hello'"):
        assert get_info("toy").name == "toy"
    assert capsys.readouterr().out == ""


def test_a_loader_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign(monkeypatch, TOY=toy_info())
    announce(monkeypatch, ("toy", "foreign_entries:TOY"))
    with pytest.raises(CatalogueError, match="module foreign_entries has no function 'read'"):
        load("toy")
