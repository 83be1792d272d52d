"""Whether a model answers on this device: asked in a confined process, before anything depends on it."""

from __future__ import annotations

import numpy as np

from models.artefacts import Artefact
from models.compute_threads import cores
from models.engines.engine import Engine
from models.errors import ImageFault, ModelFailed, ModelUnfit
from models.hosting.hosted_engine import Hosts

PROBE_ROUNDS = 3


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


def probe(artefact: Artefact) -> None:
    """Has a model answer several times, and ends its process.

    Raises:
        As `load_proved`.
    """
    hosts = Hosts()
    try:
        load_proved(hosts, artefact, cores(), PROBE_ROUNDS)
    finally:
        hosts.close()
