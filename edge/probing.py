"""Whether a model answers on this device: asked in a confined process, before anything depends on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

import numpy as np

from models.artefacts import Artefact
from models.compute_threads import cores
from models.engines.engine import Engine
from models.errors import ImageFault, ModelFailed, ModelUnfit
from models.hosting.hosted_engine import Hosts

PROBE_ROUNDS = 3
LONGEST_PROBE_SECONDS = 90.0
_BETWEEN_SECONDS = 0.2

Prove = Callable[[Artefact, Hosts], None]
"""Has a model answer in a process of these hosts; raises as `probe`."""


def load_proved(hosts: Hosts, artefact: Artefact, threads: int, rounds: int = 1) -> Engine:
    """A model in a process of its own, which has answered to a black image.

    Args:
        hosts: which that process belongs to.
        artefact: of a component that was proved.
        threads: CPU threads that one prediction may use.
        rounds: how often it is to answer.

    Raises:
        ModelUnfit: it does not answer, or not with numbers.
        ModelsClosed: the program is ending.
        OSError: this machine cannot start a process.
    """
    engine = hosts.load(artefact, threads)
    manifest = artefact.manifest
    black = np.zeros((1, *manifest.input_shape), manifest.input_dtype)
    try:
        for _ in range(rounds):
            if not all(np.isfinite(output).all() for output in engine.predict(black)):
                raise ModelUnfit(ImageFault.NON_FINITE_OUTPUT, "an answer to a black image is not finite")
    except ModelUnfit:
        engine.close()
        raise
    except ModelFailed as failure:
        engine.close()
        raise ModelUnfit(failure.fault, failure.detail) from failure
    return engine


def probe(artefact: Artefact, hosts: Hosts) -> None:
    """Has a model answer several times.

    Args:
        artefact: of a component that was proved.
        hosts: which its process belongs to; it goes on until they are closed.

    Raises:
        As `load_proved`.
    """
    load_proved(hosts, artefact, cores(), PROBE_ROUNDS)


def probe_meanwhile(prove: Prove, artefact: Artefact, between: Callable[[], None]) -> None:
    """Has a model answer while something else goes on, which may be an end to it.

    Args:
        prove: as `probe`.
        artefact: of a component that was proved.
        between: is called now and then; what it raises ends the probe.

    Raises:
        ModelUnfit: it does not answer, or not within `LONGEST_PROBE_SECONDS`.
        OSError: this machine cannot start a process.
    """
    hosts, until = Hosts(), time.monotonic() + LONGEST_PROBE_SECONDS
    with ThreadPoolExecutor(1, "probe") as aside, closing(hosts):
        probing = aside.submit(prove, artefact, hosts)
        while not wait([probing], _BETWEEN_SECONDS).done:
            if time.monotonic() >= until:
                detail = f"no answer to a black image within {LONGEST_PROBE_SECONDS:.0f} s"
                raise ModelUnfit(ImageFault.MODEL_TIMED_OUT, detail)
            between()
        probing.result()
