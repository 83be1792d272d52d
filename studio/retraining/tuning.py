"""Tuning a model on corrections, with all layers frozen but a few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from models.printable import logger
from studio.retraining.digits import Digits, together
from studio.retraining.networks import LOSS, repeatably, scaled, told_of_epochs
from studio.retraining.parents import NotTunable

_LOGGER = logger(__name__)


def tune(
    parent: Any, parent_id: str, digits: Digits, seen: Digits, settings: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """A model that has learnt from corrections, and some digits lest it forget them; the same inputs give the same.

    Args:
        parent: the model of Keras that is tuned, in place.
        parent_id: its model_id.
        digits: to learn from; a share of them, chosen by the seed, is mixed in.
        seen: corrections to learn from.
        settings: `seed`, `layers` (patterns of names: all others are frozen), `epochs`, `batch_size`, `learning_rate`,
            `digits_share` (0..1), `correction_weight` (of a correction, where a digit weighs 1).

    Returns:
        The model, and of what it was made: `parameters`, and `parent`.

    Raises:
        NotTunable: there are no corrections to learn from, or no layer has such a name.
    """
    if not len(seen):
        raise NotTunable("there is no correction to learn from; correct more drawings")
    repeatably(settings["seed"])
    import keras

    freeze_all_but(parent, settings["layers"])
    some = np.random.default_rng(settings["seed"]).permutation(len(digits))
    mixed = together(seen, digits[some[: round(len(digits) * settings["digits_share"])]])
    weights = np.ones(len(mixed), np.float32)
    weights[: len(seen)] = settings["correction_weight"]
    parent.compile(keras.optimizers.Adam(settings["learning_rate"]), LOSS)
    parent.fit(
        scaled(mixed.pixels),
        mixed.labels,
        sample_weight=weights,
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        callbacks=[told_of_epochs(settings["epochs"])],
        verbose=0,
    )
    return parent, {"made_by": "tuning", "parent": parent_id, "parameters": dict(settings)}


def freeze_all_but(model: Any, patterns: Sequence[str]) -> None:
    """Lets only some layers of a model of Keras learn.

    Args:
        model: whose own layers have names; what lies within a layer is frozen with it.
        patterns: as of a shell, of the names of layers that may learn.

    Raises:
        NotTunable: none of these has anything to learn.
    """
    for layer in model.layers:
        layer.trainable = any(fnmatchcase(layer.name, each) for each in patterns)
    free = [layer.name for layer in model.layers if layer.trainable_weights]
    if not free:
        there = ", ".join(layer.name for layer in model.layers if layer.weights)
        raise NotTunable(f"no layer is called {' or '.join(patterns)}; those that can learn are {there}")
    _LOGGER.info("all layers are frozen but %s", ", ".join(free))
