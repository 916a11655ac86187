"""Seeds, determinism, devices, the environment record, and the torchvision cure."""

import subprocess
import sys

import pytest
import torch

from pixcl_bench import runtime


def test_derived_seeds_differ_by_axis_and_seed() -> None:
    seeds = {
        runtime.derive_seed(s, axis, i)
        for s in range(20)
        for axis in ("order", "step")
        for i in range(20)
    }
    assert len(seeds) == 800


def test_derived_seed_is_the_documented_hash() -> None:
    import hashlib

    wanted = int.from_bytes(hashlib.sha256(b"3/step/7").digest()[:8], "big") >> 1
    assert runtime.derive_seed(3, "step", 7) == wanted


def test_seed_all_covers_python_numpy_and_torch() -> None:
    import random

    import numpy as np

    def draw() -> tuple[float, float, float]:
        runtime.seed_all(2**62 + 5)
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    assert draw() == draw()


def test_generator_leaves_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    torch.rand(3, generator=runtime.generator(0, "x"))
    assert torch.equal(before, torch.get_rng_state())


def test_reproducible_restores_the_former_state() -> None:
    threads = torch.get_num_threads()

    def fails() -> None:
        with runtime.reproducible(threads=1):
            assert torch.are_deterministic_algorithms_enabled()
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("name", "message"), [("gpu", "unknown device"), ("tpu:0", "unknown device")]
)
def test_unknown_device(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runtime.pick_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="checks the error of a machine without a GPU")
def test_absent_gpu_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="not available"):
        runtime.pick_device("cuda")
    assert runtime.pick_device("auto").type == "cpu"


def test_environment_has_thirty_fields_and_names_no_host() -> None:
    import platform

    env = runtime.environment("cpu")
    assert len(env) >= 30
    assert {
        "commit",
        "dirty_sha256",
        "version_torch",
        "cpu",
        "gpu_driver",
        "threads",
        "deterministic",
    } <= set(env)
    assert env["version_torch"] == torch.__version__
    assert platform.node() not in map(str, env.values())


def test_git_state_tells_a_change(tmp_path) -> None:  # type: ignore[no-untyped-def]
    def git(*words: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "x")
    clean = runtime.git_state(tmp_path)
    (tmp_path / "a").write_text("2")
    dirty = runtime.git_state(tmp_path)
    assert not clean["dirty"]
    assert clean["dirty_sha256"] is None
    assert dirty["dirty"]
    assert dirty["dirty_sha256"]
    assert clean["commit"] == dirty["commit"]


def test_no_checkout_is_no_error(tmp_path) -> None:  # type: ignore[no-untyped-def]
    assert runtime.git_state(tmp_path) == {"commit": None, "dirty": False, "dirty_sha256": None}


def test_timm_imports_in_a_fresh_process() -> None:
    code = "import pixcl_bench.runtime, timm, torchvision; print(timm.__version__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_cure_leaves_other_errors_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(runtime.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="something else"):
        runtime.cure_torchvision()


def test_what_is_published_of_the_environment_exists() -> None:
    from pixcl_bench.bench.records.published import ENVIRONMENT

    assert set(ENVIRONMENT) <= set(runtime.environment("cpu"))
