"""Training a model from the beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studio.retraining.digits import Digits
from studio.retraining.networks import LOSS, new_network, repeatably, scaled, told_of_epochs


def train(training: Digits, validation: Digits, settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A model that has learnt; the same inputs give the same weights.

    Args:
        training: to learn from, at least one.
        validation: by which the best epoch is told, at least one.
        settings: `seed`, `epochs`, `batch_size`, `learning_rate`, and `patience`: how many epochs may pass without a
            better one.

    Returns:
        The model of Keras, and of what it was made: `parameters`, and `parent`, which is None.
    """
    repeatably(settings["seed"])
    import keras

    model = new_network()
    model.compile(keras.optimizers.Adam(settings["learning_rate"]), LOSS)
    model.fit(
        scaled(training.pixels),
        training.labels,
        batch_size=settings["batch_size"],
        epochs=settings["epochs"],
        validation_data=(scaled(validation.pixels), validation.labels),
        callbacks=[
            keras.callbacks.EarlyStopping(patience=settings["patience"], restore_best_weights=True),
            told_of_epochs(settings["epochs"]),
        ],
        verbose=0,
    )
    return model, {"made_by": "training", "parent": None, "parameters": dict(settings)}
