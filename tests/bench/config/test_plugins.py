"""Methods of other packages: what is wrong with one of them is told, and stops nothing else."""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from toy_project import make_project

from pixcl_bench.bench.config import source
from pixcl_bench.bench.config.grid import plan
from pixcl_bench.bench.config.reading import load_config
from pixcl_bench.bench.errors import UsageError
from pixcl_bench.data.plugins import PluginWarning

Announce = Callable[..., None]


@pytest.fixture
def announce(monkeypatch: pytest.MonkeyPatch) -> Iterator[Announce]:
    """Let these be the entry points of methods that are installed."""

    def set_points(*points: tuple[str, str]) -> None:
        made = [EntryPoint(name, value, source.METHODS_GROUP) for name, value in points]
        monkeypatch.setattr(source, "entry_points", lambda group: made)
        source._method_plugins.cache_clear()
        source.method_entry_points.cache_clear()

    yield set_points
    monkeypatch.undo()
    source._method_plugins.cache_clear()
    source.method_entry_points.cache_clear()


def test_a_method_of_another_package_runs(tmp_path: Path, announce: Announce) -> None:
    announce(("own", "toybench.learners:plain"))
    config = load_config(make_project(tmp_path))
    [run] = plan(config, "quick", methods=["own"], seeds=[0])
    assert (run.method, run.learner) == ("own", "toybench.learners:plain")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([("own", "toybench.learners")], "is not written as package.module:NAME"),
        ([("own", "toybench.learners:plain"), ("own", "other:build")], "takes the same name as"),
        ([("own", "not_here.at_all:build")], "names 'not_here.at_all', which is no module here"),
    ],
)
@pytest.mark.filterwarnings("ignore::pixcl_bench.data.plugins.PluginWarning")
def test_a_wrong_one_is_told_to_whoever_asks(
    tmp_path: Path, announce: Announce, points: list[tuple[str, str]], message: str
) -> None:
    announce(*points)
    config = load_config(make_project(tmp_path))
    assert len(plan(config, "quick")) == 4
    with pytest.raises(UsageError, match=message):
        plan(config, "quick", methods=["own"])


def test_a_name_of_the_configuration_stays(tmp_path: Path, announce: Announce) -> None:
    announce(("plain", "other:build"))
    config = load_config(make_project(tmp_path))
    with pytest.warns(PluginWarning, match="takes the name of a method of the configuration"):
        [run] = plan(config, "quick", methods=["plain"], seeds=[0])
    assert run.learner == "toybench.learners:plain"
