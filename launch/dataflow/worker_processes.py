"""In how many processes each worker runs the code: in one for all of its vCPUs, or in one for each."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

ONE_PROCESS = "no_use_multiple_sdk_containers"
"""Beam's experiments for the one and for the other; without either, Beam adds the other."""
MANY_PROCESSES = "use_multiple_sdk_containers"
THREADS = 12
"""In which one process works on bundles: what Dataflow gives to each by itself. Each bundle keeps a batch in memory."""


class Processes(StrEnum):
    """How many on each worker."""

    ONE = "one"
    ALL = "all"

    @property
    def about(self) -> str:
        """What that means, as people choose it."""
        return {
            Processes.ONE: "One for all vCPUs: the models are there once",
            Processes.ALL: "One for each vCPU, as Dataflow does by itself",
        }[self]

    def beam_options(self) -> Iterator[str]:
        """Beam's options for it."""
        if self is Processes.ONE:
            yield f"--experiments={ONE_PROCESS}"
            yield f"--number_of_worker_harness_threads={THREADS}"
