"""The environment variables that a confined process gets: what its libraries are told by, and no credentials."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES = frozenset({"LANG", "LANGUAGE", "LD_LIBRARY_PATH", "TZ", "XLA_FLAGS"})
_PREFIXES = (
    "CUDA_",
    "KMP_",
    "LC_",
    "MALLOC_",
    "MKL_",
    "NVIDIA_",
    "OMP_",
    "ONEDNN_",
    "OPENBLAS_",
    "OPENVINO_",
    "ORT_",
    "OV_",
    "PYTHON",
    "TF_",
)


def confined_environment(environment: Mapping[str, str], workspace: str) -> dict[str, str]:
    """What is kept of an environment, with the workspace as home and for temporary files."""
    kept = {name: value for name, value in environment.items() if name in _NAMES or name.startswith(_PREFIXES)}
    return kept | {"HOME": workspace, "TMPDIR": workspace}
