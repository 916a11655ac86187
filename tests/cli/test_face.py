"""`import pixcl_bench as pb`: the functions for Python."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from project import ROOT
from toy_project import CELLS, make_project, notebook

import pixcl_bench as pb
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.cli import face
from pixcl_bench.data import catalogue
from pixcl_bench.data.sets.pixels import PixelSet
from pixcl_bench.methods.contract.learner import Learner
from pixcl_bench.tasks.settings import ImageSSLSettings

CONFIG = ROOT / "benchmarks.yaml"


def test_the_import_is_light_and_offers_the_functions() -> None:
    code = (
        "import sys, pixcl_bench\n"
        "assert not {'torch', 'numpy', 'pandas', 'pixcl_bench.cli.face'} & set(sys.modules)\n"
        "assert set(pixcl_bench.__all__) <= set(dir(pixcl_bench))\n"
        "assert callable(pixcl_bench.run)\n"
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert all(getattr(pb, name) is getattr(face, name) for name in pb.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'rnu'"):
        _ = pb.rnu  # type: ignore[attr-defined]


def test_types_and_functions_are_the_same_list() -> None:
    lines = (ROOT / "pixcl_bench/__init__.pyi").read_text().splitlines()
    named = [line.split()[-1] for line in lines if line.startswith("from pixcl_bench.cli.face")]
    assert sorted(named) == sorted(pb.__all__)
    assert {name for name in vars(face) if not name.startswith("_")} >= set(named)


def test_lists() -> None:
    config = load_config(CONFIG)
    tasks = pb.list_tasks(config=CONFIG)
    assert list(tasks.task) == list(config.tasks)
    methods = pb.list_methods("image_ssl", config=CONFIG)
    assert list(methods.columns) == ["task", "method", "title", "role"]
    assert list(methods.method) == list(config.task("image_ssl").methods)
    every = pb.list_methods(config=CONFIG)
    assert len(every) == tasks.methods.sum()
    assert set(pb.list_datasets().dataset) == set(catalogue.catalogue())
    mine = pb.list_datasets("image_ssl", config=CONFIG)
    assert list(mine.dataset) == list(config.task("image_ssl").datasets)
    with pytest.raises(UsageError, match="did you mean 'image_ssl'"):
        pb.list_methods("image_sls", config=CONFIG)


def same(first: Learner, second: Learner) -> bool:
    one, other = first.state_dict(), second.state_dict()
    return list(one) == list(other) and all(torch.equal(one[k], other[k]) for k in one)


def test_build_gives_what_a_run_starts_with() -> None:
    from pixcl_bench.tasks.image_ssl import make_learner

    config = load_config(CONFIG)
    values = config.settings("image_ssl", "digits", "simclr", "smoke")
    args = config.args("image_ssl", "simclr", "smoke", "digits")
    target = config.method("image_ssl", "simclr").learner
    settings = ImageSSLSettings.model_validate_json(json.dumps(values))
    wanted = make_learner(target, args, settings, num_classes=10, seed=3)
    built = pb.build("simclr", "image_ssl", "smoke", seed=3, config=CONFIG)
    assert isinstance(built, Learner)
    assert same(built, wanted)
    assert not same(pb.build("simclr", "image_ssl", "smoke", seed=4, config=CONFIG), wanted)


def test_build_takes_settings_and_options() -> None:
    built = pb.build("simclr", "image_ssl", "smoke", temperature=0.37, config=CONFIG)
    assert built.temperature == 0.37
    narrow = pb.build("simclr", "image_ssl", "smoke", encoder="resnet10t", config=CONFIG)
    assert not same(built, narrow)


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        (("simclr",), {}, "say task='image_ssl'"),
        (("simcrl",), {}, "did you mean 'simclr'"),
        (("simclr", "image_ssl", "smokey"), {}, "did you mean 'smoke'"),
        (("simclr", "image_ssl", "smoke"), {"temprature": 1.0}, "did you mean 'temperature'"),
        (("simclr", "image_ssl", "smoke"), {"temperature": "warm"}, "wants float"),
        (("simclr", "image_ssl", "smoke"), {"temperature": object()}, "plain data"),
        (("simclr", "image_ssl", "smoke"), {"image_size": "big"}, "image_size"),
    ],
)
def test_build_says_what_is_wrong(
    words: tuple[str, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        pb.build(*words, config=CONFIG, **options)


def pixels() -> PixelSet:
    """Four pictures of two classes."""
    masks = torch.zeros(4, 16, 16, dtype=torch.uint8)
    masks[:, 4:8] = 1
    images = (masks[:, None] * 200).expand(4, 3, 16, 16).contiguous()
    items = {"train": [0, 1], "unlabelled": [0, 1], "val": [2], "test": [3]}
    splits = {name: torch.tensor(which) for name, which in items.items()}
    palette = torch.tensor([[0, 0, 0], [255, 0, 0]], dtype=torch.uint8)
    names, mean, std = ("ground", "line"), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)
    return PixelSet("toy", "synthetic", "0" * 64, images, masks, splits, names, palette, mean, std)


@pytest.mark.parametrize(
    ("task", "method"),
    [
        ("dense_transfer", "grass"),
        ("semi_seg", "arco_sg"),
        ("landmarks", "igu_aug"),
        ("shape_guided", "shape_supervised"),
    ],
)
def test_build_knows_every_task(task: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task's own function gets what it asks for; a small data set stands for the first one of
    the profile."""
    asked = []
    sizes = SimpleNamespace(num_classes=2, num_landmarks=4)
    data = pixels() if task in ("dense_transfer", "shape_guided") else sizes

    def stand_in(name: str, **options: object) -> object:
        asked.append(name)
        return data

    monkeypatch.setattr(catalogue, "load", stand_in)
    assert isinstance(pb.build(method, task, "smoke", config=CONFIG), Learner)
    assert asked == load_config(CONFIG).dataset_names(task, "smoke")[:1]


def test_run_returns_the_record_and_is_not_repeated(tmp_path: Path) -> None:
    config = make_project(tmp_path)
    record = pb.run("toy", "digits", "plain", seed=1, device="cpu", config=config, quiet=True)
    assert (record.status, record.seed, record.profile) == ("ok", 1, "quick")
    assert record.metrics["score"] == pytest.approx(0.514)
    folder = tmp_path / "results" / record.folder
    assert (folder / "executed.ipynb").is_file()
    (folder / "run.log").unlink()
    again = pb.run("toy", "digits", "plain", seed=1, device="cpu", config=config, quiet=True)
    assert again == record
    assert not (folder / "run.log").exists(), "nothing was started"


def test_run_takes_settings_and_another_results_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = make_project(tmp_path)
    record = pb.run(
        "toy",
        "digits",
        "plain",
        device="cpu",
        config=config,
        results=tmp_path / "r",
        steps=5,
        views={"grey": 0.5},
    )
    assert record.settings["steps"] == 5
    assert record.settings["views"]["grey"] == 0.5
    assert (tmp_path / "r" / record.folder / "record.json").is_file()
    assert "1 run to do" in capsys.readouterr().out


def test_run_raises_what_went_wrong(tmp_path: Path) -> None:
    config = make_project(tmp_path)
    with pytest.raises(UsageError, match="did you mean 'plain'"):
        pb.run("toy", "digits", "plian", device="cpu", config=config)
    with pytest.raises(UsageError, match="seed -1"):
        pb.run("toy", "digits", "plain", -1, device="cpu", config=config)
    (tmp_path / "nbs/benchmarks/toy.ipynb").write_text(notebook([CELLS[0], "1 / 0"]))
    with pytest.raises(pb.RunFailedError, match=r"error: ZeroDivisionError.*run\.log") as caught:
        pb.run("toy", "digits", "plain", device="cpu", config=config, quiet=True)
    assert caught.value.record.status == "failed"


def test_load_is_the_catalogue_s() -> None:
    data = pb.load("digits")
    assert data.num_classes == 10  # type: ignore[union-attr]
    with pytest.raises(catalogue.CatalogueError, match="digits"):
        pb.load("digit")
