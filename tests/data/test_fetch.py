"""Fetching: whole or not at all, by the hash, by hand, and by two processes at once."""

import errno
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pixcl_bench.data import fetch
from pixcl_bench.data.fetch import (
    FetchError,
    LockHeldError,
    Member,
    Source,
    fetch_member,
    find_archive,
    locked,
    pip_command,
)
from pixcl_bench.data.sets.arrays import converted

CONTENT = {"toy_data/a.bin": b"first file" * 100, "toy_data/deep/b.bin": bytes(range(256))}


def member(path: str, content: bytes) -> Member:
    return Member(path, hashlib.sha256(content).hexdigest(), len(content))


SOURCE = Source(
    "toy-data", "1.0", tuple(member(path, content) for path, content in CONTENT.items())
)


def write_wheel(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    path = folder / "Toy_Data-1.0-py3-none-any.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def refuse(source: Source, folder: Path) -> Path:
    raise AssertionError("nothing should be downloaded")


def test_members_are_taken_out_checked_and_the_archive_goes(tmp_path: Path) -> None:
    path = fetch_member(
        SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder)
    )
    assert path.read_bytes() == CONTENT["toy_data/a.bin"]
    assert files_in(tmp_path / "toy-data-1.0") == sorted(CONTENT)
    assert fetch_member(SOURCE, "toy_data/deep/b.bin", tmp_path, refuse).read_bytes() == bytes(
        range(256)
    )


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    path = fetch_member(
        SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder)
    )
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    again = fetch_member(
        SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder)
    )
    assert again.read_bytes() == CONTENT["toy_data/a.bin"]


def test_a_wrong_hash_names_file_expected_and_found(tmp_path: Path) -> None:
    wrong = CONTENT | {"toy_data/deep/b.bin": b"x" * 256}
    with pytest.raises(FetchError) as caught:
        fetch_member(
            SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder, wrong)
        )
    message = str(caught.value)
    assert "toy_data/deep/b.bin" in message
    assert SOURCE.members[1].sha256 in message
    assert hashlib.sha256(b"x" * 256).hexdigest() in message
    assert files_in(tmp_path / "toy-data-1.0") == []  # not even the member that was right


def test_a_fetch_that_dies_half_way_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fetch.read_member, []

    def dies_at_second(archive: Path, wanted: Member) -> bytes:
        calls.append(wanted.path)
        if len(calls) == 2:
            raise OSError("no space left on device")
        return real(archive, wanted)

    monkeypatch.setattr(fetch, "read_member", dies_at_second)
    with pytest.raises(OSError, match="no space left"):
        fetch_member(SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder))
    assert files_in(tmp_path / "toy-data-1.0") == []
    path = fetch_member(
        SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder)
    )
    assert path.read_bytes() == CONTENT["toy_data/a.bin"]


def test_what_a_killed_fetch_left_is_swept(tmp_path: Path) -> None:
    stale = tmp_path / "toy-data-1.0" / ".part-killed"
    write_wheel(stale)
    fetch_member(SOURCE, "toy_data/a.bin", tmp_path, lambda source, folder: write_wheel(folder))
    assert not stale.exists()


@pytest.mark.parametrize("damage", ["cut", "absent"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: str) -> None:
    def download(source: Source, folder: Path) -> Path:
        if damage == "absent":
            return write_wheel(folder, {"toy_data/a.bin": CONTENT["toy_data/a.bin"]})
        path = write_wheel(folder)
        path.write_bytes(path.read_bytes()[:200])
        return path

    with pytest.raises(
        FetchError,
        match=r"Toy_Data-1.0-py3-none-any.whl (cannot be read|has no file toy_data/deep/b.bin)",
    ):
        fetch_member(SOURCE, "toy_data/a.bin", tmp_path, download)


def test_an_archive_put_there_by_hand_is_used_and_kept(tmp_path: Path) -> None:
    by_hand = write_wheel(tmp_path / "archives")
    assert fetch_member(SOURCE, "toy_data/a.bin", tmp_path, refuse).is_file()
    assert by_hand.is_file()


def test_a_source_archive_is_read_below_its_top_folder(tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    with tarfile.open(tmp_path / "archives" / "toy_data-1.0.tar.gz", "w:gz") as archive:
        for name, data in CONTENT.items():
            entry = tarfile.TarInfo(f"toy_data-1.0/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    path = fetch_member(SOURCE, "toy_data/deep/b.bin", tmp_path, refuse)
    assert path.read_bytes() == bytes(range(256))


def test_other_packages_and_versions_are_not_taken_for_ours(tmp_path: Path) -> None:
    for name in (
        "toy_data-1.0.1-py3-none-any.whl",
        "toy_data_extra-1.0-py3-none-any.whl",
        "toy-1.0.tar.gz",
        "notes.txt",
    ):
        (tmp_path / name).touch()
    assert find_archive(SOURCE, tmp_path) is None
    (tmp_path / "toy.data-1.0.zip").touch()
    assert find_archive(SOURCE, tmp_path) == tmp_path / "toy.data-1.0.zip"


def test_without_a_network_the_error_says_command_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "index"
    empty.mkdir()
    for key, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(empty),
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(key, value)
    with pytest.raises(FetchError) as caught:
        fetch_member(SOURCE, "toy_data/a.bin", tmp_path / "cache")
    message = str(caught.value)
    assert "toy-data==1.0" in message
    assert f"-d {tmp_path / 'cache' / 'archives'} toy-data==1.0" in message
    assert files_in(tmp_path / "cache" / "toy-data-1.0") == []


def test_no_code_of_the_package_runs(tmp_path: Path) -> None:
    command = pip_command(SOURCE, tmp_path)
    assert command[command.index("--only-binary") + 1] == "toy-data"
    assert "--no-deps" in command


def test_an_unknown_member_names_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"toy_data/a\.bin"):
        SOURCE.member("toy_data/aa.bin")


def test_the_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIXCL_BENCH_CACHE", str(tmp_path / "mine"))
    assert fetch.cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("PIXCL_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert fetch.cache_dir() == tmp_path / "pixcl_bench"


HOLD = """
import sys, time
from pathlib import Path
from pixcl_bench.data.fetch import locked

with locked(Path(sys.argv[1])) as held:
    print("held" if held else "no locks", flush=True)
    time.sleep(100)
"""


def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    other = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(LockHeldError, match=r"a\.lock"), locked(path, wait=False):
        raise AssertionError("two hold the lock")
    other.kill()
    other.wait(60)
    with locked(path, wait=False) as held:
        assert held
    with locked(path) as held:
        assert held, "who leaves the block gives the lock back"


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_not_a_lock_that_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, wait: bool
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def flock(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with locked(tmp_path / "a.lock", wait=wait) as held:
            assert not held
    with locked(tmp_path / "a.lock", wait=False) as held:
        assert held, "nothing was left that looks like a lock"


def test_a_lock_file_that_cannot_be_written_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.lock").mkdir()
    with pytest.raises(IsADirectoryError), locked(tmp_path / "a.lock"):
        raise AssertionError("there is no such file")


TWO = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_fetch import SOURCE, write_wheel
from pixcl_bench.data.sets.arrays import converted
from pixcl_bench.data.fetch import fetch_member
import numpy as np

cache = Path({cache!r})
def slowly(what, result):
    with (cache / "log").open("a") as log:
        log.write(what + "\\n")
    time.sleep(0.5)
    return result()

def download(source, folder):
    return slowly("download", lambda: write_wheel(folder))
def convert():
    return slowly("convert", lambda: {{"x": np.arange(7)}})

path = fetch_member(SOURCE, "toy_data/a.bin", cache, download)
array = converted("toy", "f" * 64, convert, cache)["x"]
print(len(path.read_bytes()), int(array.sum()))
"""


def test_two_processes_at_once_fetch_and_convert_once(tmp_path: Path) -> None:
    code = TWO.format(tests=str(Path(__file__).parent), cache=str(tmp_path))
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [
        "1000 21",
        "1000 21",
    ]
    assert sorted((tmp_path / "log").read_text().split()) == ["convert", "download"]


def test_converted_arrays_are_built_once_and_read_as_they_were(tmp_path: Path) -> None:
    arrays = {"image": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "label": np.array([3, -1])}
    first = converted("toy", "a" * 64, lambda: arrays, tmp_path)

    def never() -> dict[str, np.ndarray]:
        raise AssertionError("built twice")

    again = converted("toy", "a" * 64, never, tmp_path, verify=True)
    for key, value in arrays.items():
        assert np.array_equal(first[key], value)
        assert np.array_equal(again[key], value)
        assert again[key].dtype == value.dtype
    other = converted("toy", "b" * 64, lambda: {"label": np.zeros(1)}, tmp_path)
    assert list(other) == ["label"]


def test_another_version_of_a_library_converts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pixcl_bench.data.sets import arrays

    converted("toy", "a" * 64, lambda: {"x": np.zeros(3)}, tmp_path)
    monkeypatch.setattr(arrays, "_versions", lambda: "scipy 0.1")
    again = converted("toy", "a" * 64, lambda: {"x": np.ones(3)}, tmp_path)
    assert again["x"].tolist() == [1, 1, 1]


def test_writing_into_an_opened_array_leaves_the_file(tmp_path: Path) -> None:
    converted("toy", "a" * 64, lambda: {"x": np.arange(5)}, tmp_path)["x"][0] = 99
    again = converted("toy", "a" * 64, dict, tmp_path, verify=True)["x"]
    assert again.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("damage", ["short", "manifest", "absent", "content"])
def test_damaged_conversions_are_built_again(tmp_path: Path, damage: str) -> None:
    converted("toy", "a" * 64, lambda: {"x": np.arange(500)}, tmp_path)
    (folder,) = (path for path in (tmp_path / "converted").iterdir() if path.is_dir())
    if damage == "short":
        (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-8])
    elif damage == "manifest":
        (folder / "manifest.json").write_text("{")
    elif damage == "absent":
        (folder / "x.npy").unlink()
    else:
        (folder / "x.npy").write_bytes((folder / "x.npy").read_bytes()[:-8] + b"\0" * 8)
    rebuilt = converted("toy", "a" * 64, lambda: {"x": np.arange(500)}, tmp_path, verify=True)
    assert rebuilt["x"].tolist() == list(range(500))
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_conversion_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fails() -> dict[str, np.ndarray]:
        raise ValueError("map.tif: class 255")

    with pytest.raises(ValueError, match="class 255"):
        converted("toy", "a" * 64, fails, tmp_path)
    with pytest.raises(ValueError, match="Object arrays"):
        converted("toy", "a" * 64, lambda: {"x": np.arange(3), "y": np.array([{}])}, tmp_path)
    assert [path for path in (tmp_path / "converted").iterdir() if path.is_dir()] == []
