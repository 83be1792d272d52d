"""A registry in which a model is tried, as a fleet that has gone left it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from models.artefacts import DEFAULT_MAX_VALUES
from models.reference import ModelReference
from models.registry.registry import Registry, Terms
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.trials.policy import Policy
from models.trials.terms import TrialTerms
from models.trials.trial import Trial
from tests.launch.commands.hotswap_command import drop, model_id
from tests.waiting import eventually

PATTERN, REGISTRY = "m/*.onnx", "registry"
FLAGS = (PATTERN, "--registry", REGISTRY)


def registry() -> Registry:
    """The registry as a reader with the usual options opens it."""
    return Registry(AnyStorage().objects(REGISTRY), PATTERN, Terms("auto", DEFAULT_MAX_VALUES))


@contextlib.contextmanager
def fleet(policy: str = "none") -> Iterator[Serving]:
    """Somebody who watches the pattern, and tries new models."""
    terms = TrialTerms(Policy.parse(policy))
    config = ServingConfig(PATTERN, 0.05, registry=REGISTRY, trials=terms)
    with contextlib.closing(Serving(config, AnyStorage())) as serving:
        yield serving


def begin(policy: str = "shadow:10%/30") -> Trial:
    """Has `m/new.onnx` be tried against `m/old.onnx`."""
    drop("m/old.onnx", 0, age=300)
    with fleet() as serving:
        eventually(lambda: is_live(serving, "m/old.onnx"), "the old model is live")
    drop("m/new.onnx", 1, age=100)
    with fleet(policy) as serving:
        eventually(lambda: (told := serving.watch.statement) and told.trial, "the new model is tried")
    return under_way()


def under_way() -> Trial:
    """The trial that the registry tells of."""
    read = registry()
    read.live.look(mend=False)
    assert read.live.pointer is not None
    assert read.live.pointer.trial is not None
    return read.live.pointer.trial


def is_live(serving: Serving, path: str) -> bool:
    """Whether a file is stated as live."""
    now = serving.watch.statement
    return now is not None and now.reference.model_id == model_id(path)


def now_live() -> ModelReference:
    """What the registry states as live."""
    read = registry()
    read.live.look(mend=False)
    assert read.live.statement is not None
    return read.live.statement.reference
