"""What this machine offers, read without torch: processor cores, GPUs, the count of processes
killed for memory."""

import os
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import cast

from pixcl_bench.bench.config.grid import Device
from pixcl_bench.bench.errors import UsageError, unknown
from pixcl_bench.bench.keys import version_of

_CGROUP = Path("/sys/fs/cgroup")
_GPU_NODES = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu")
"""What the system shows of a GPU where the program nvidia-smi is not installed."""


def usable_cores() -> int:
    """The cores this process may use: its affinity, within the limit of its control group."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    quota = _quota()
    return max(1, min(cores, int(quota) if quota else cores))


def _quota() -> float | None:
    """The CPU limit of the control group in cores (version 2, then version 1), or None."""
    try:
        limit, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            limit = (_CGROUP / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (_CGROUP / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    try:
        return int(limit) / int(period) if int(limit) > 0 else None
    except ValueError:
        return None


@lru_cache(maxsize=1)
def gpus() -> int:
    """How many NVIDIA GPUs `nvidia-smi -L` lists; 0 where there is no such program."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        listed = subprocess.run(
            [program, "-L"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def gpu_names() -> list[str]:
    """The GPUs that runs may use: those of CUDA_VISIBLE_DEVICES where it is set, else all by
    number."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [
            name.strip() for name in visible.split(",") if name.strip() and name.strip() != "-1"
        ]
    return [str(i) for i in range(gpus())]


def resolve_device(name: str) -> Device:
    """`auto` as `cuda` where there is a GPU, else `cpu`; the others as they are. Raises
    UsageError."""
    if name == "auto":
        built_for_cpu = version_of("torch").endswith("+cpu")
        return "cuda" if gpus() and gpu_names() and not built_for_cpu else "cpu"
    if name not in ("cpu", "cuda"):
        raise UsageError(unknown("device", name, ("auto", "cpu", "cuda")))
    return cast(Device, name)


def require_device(device: Device) -> None:
    """Raise UsageError where runs on this device can only fail on this machine."""
    if device != "cuda":
        return
    build = version_of("torch").partition("+")[2]
    if build == "cpu":
        why = f"the installed torch {version_of('torch')} is built without CUDA"
    elif os.environ.get("CUDA_VISIBLE_DEVICES") is not None and not gpu_names():
        why = "CUDA_VISIBLE_DEVICES hides every GPU"
    elif not gpus() and not any(Path(node).exists() for node in _GPU_NODES):
        why = "no NVIDIA GPU is seen here (nvidia-smi lists none)"
    else:
        return
    raise UsageError(f"--device cuda: {why}: use --device cpu")


def default_jobs(device: Device, threads: int) -> int:
    """How many runs at once: one for each GPU, else as many as the cores hold with `threads`
    each."""
    if device == "cuda":
        return max(1, len(gpu_names()))
    return max(1, usable_cores() // threads)


def memory_kills() -> int | None:
    """How many processes of this control group the kernel has killed for want of memory, or None
    where that is not told."""
    for place in (*_own_groups(), "memory.events", "memory/memory.oom_control"):
        try:
            lines = (_CGROUP / place).read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            word, _, count = line.partition(" ")
            if word == "oom_kill" and count.strip().isdigit():
                return int(count)
    return None


def _own_groups() -> list[str]:
    """The files that count for the control group of this process, where it is not the topmost."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            file = "memory.oom_control" if controllers else "memory.events"
            found.append(f"{controllers}/{path}/{file}".replace("//", "/").lstrip("/"))
    return found
