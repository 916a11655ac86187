"""Disks that are full, read-only or oddly shaped: one message with the path, and nothing half
done."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pixcl_bench.bench.errors import BenchError, DiskError
from pixcl_bench.bench.records.disk import make_folder, write_atomic


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_full_or_read_only_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "record.json"
    write_atomic(path, "old")

    def refuse(*given: Any, **more: Any) -> None:
        raise OSError(number, os.strerror(number))

    class Full:
        """A file that cannot take anything."""

        def __init__(self, handle: int, *mode: Any, **more: Any) -> None:
            os.close(handle)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *given: object) -> None:
            return None

        write = staticmethod(refuse)

    monkeypatch.setattr(
        os, "fdopen" if call == "write" else call, Full if call == "write" else refuse
    )
    with pytest.raises(DiskError) as error:
        write_atomic(path, "new")
    monkeypatch.undo()
    assert str(path) in str(error.value)
    assert os.strerror(number) in str(error.value)
    assert "--results" in str(error.value)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, BenchError)
    assert [p.name for p in tmp_path.iterdir()] == ["record.json"]
    assert path.read_text() == "old"


def test_odd_paths(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="part of the path is a file"):
        write_atomic(tmp_path / "file/quick/record.json", "x")
    with pytest.raises(DiskError, match="part of the path is a file"):
        make_folder(tmp_path / "file/quick")
    with pytest.raises(DiskError, match="shorter path"):
        make_folder(tmp_path / ("x" * 300))
    odd = tmp_path / "{braces} [a] 100% ü 数据 #" / "record.json"
    write_atomic(odd, "x")
    assert odd.read_text() == "x"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_umask_is_kept(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomic(tmp_path / "record.json", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "record.json").stat().st_mode & 0o777 == 0o666 & ~umask
