"""What a process of a model's may do with GPUs, said in the variables that frameworks heed."""

from __future__ import annotations

import os

FRUGAL = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""For each process that may load TensorFlow. It otherwise takes all memory of a GPU at once, and beside it a swap's
other model, or the vetting of the next one, has none."""
_VISIBLE, _NONE = "CUDA_VISIBLE_DEVICES", "-1"


def hide_gpus() -> None:
    """Has this process compute on CPUs alone, where nothing in it has looked for a GPU yet."""
    os.environ[_VISIBLE] = _NONE


def are_gpus_hidden() -> bool:
    """Whether `hide_gpus` was called, here or by whoever set this process' environment."""
    return os.environ.get(_VISIBLE) == _NONE
