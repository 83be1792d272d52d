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
from studio.retraining.variants import variants_of

_LOGGER = logger(__name__)


def tune(
    parent: Any, parent_id: str, digits: Digits, seen: Digits, settings: Mapping[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """A model that has learnt from corrections, and some digits lest it forget them; the same inputs give the same.

    A person makes few corrections, and wants what they drew to be read right at once. So each is learnt in many
    variants, and all together weigh enough to be heard among the digits, and not so much that those are forgotten.

    Args:
        parent: the model of Keras that is tuned, in place.
        parent_id: its model_id.
        digits: to learn from; a share of them, chosen by the seed, is mixed in.
        seen: corrections to learn from.
        settings: `seed`, `layers` (patterns of names: all others are frozen), `epochs`, `batch_size`, `learning_rate`
            (at first; it falls to none), `digits_share` (0..1), `corrections_share` (what all corrections weigh at
            least, where the digits mixed in weigh 1; a correction never weighs less than a digit), `variants` (see
            `variants_of`; the seed is the same).

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
    mixed = digits[some[: round(len(digits) * settings["digits_share"])]]
    varied = variants_of(seen, {"seed": settings["seed"], **settings["variants"]})
    learnt = together(varied, mixed)
    weights = np.ones(len(learnt), np.float32)
    weights[: len(varied)] = max(len(seen), settings["corrections_share"] * len(mixed)) / len(varied)
    _LOGGER.info("learning %d corrections, in %d variants, among %d digits", len(seen), len(varied), len(mixed))
    steps = -(-len(learnt) // settings["batch_size"]) * settings["epochs"]
    # It ends in small steps: where it stopped in the middle of large ones, other digits would be lost by chance.
    falling = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], steps)
    parent.compile(keras.optimizers.Adam(falling), LOSS)
    parent.fit(
        scaled(learnt.pixels),
        learnt.labels,
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
