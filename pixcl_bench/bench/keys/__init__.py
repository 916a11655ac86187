"""The key of a run: a hash of everything that could change its numbers, and of nothing else."""

from pixcl_bench.bench.keys.key import (
    Codes,
    canonical_json,
    code_hash,
    data_code,
    run_code,
    run_key,
    run_versions,
)
from pixcl_bench.bench.keys.libraries import version_of

__all__ = [
    "Codes",
    "canonical_json",
    "code_hash",
    "data_code",
    "run_code",
    "run_key",
    "run_versions",
    "version_of",
]
