"""The live model of a folder: which it is, and as a model of Keras that can be tuned."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from click import ClickException

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH, Vetted
from models.errors import ModelRejected, VettingFailed, one_line
from models.model_files import needs_keras
from models.printable import logger
from models.reference import sha256_of
from models.releasing.release import fetch
from models.signatures.beside import list_models
from models.storage import newest_first
from models.storage.schemes import AnyStorage
from models.survey import look_at
from models.vetting import Vetter
from models.vetting.session import vetting
from studio.retraining.networks import INPUT, LABELS

_LOGGER = logger(__name__)
_TRAIN_ONE = "train one by the pipeline __default__"


class NotTunable(ClickException):
    """There is nothing to tune, or nothing to tune it on; one line, which ends `kedro run`, says what to do."""


def live_model(folder: Path, storage: AnyStorage, vetter: Vetter) -> Vetted | None:
    """The live model of a folder: its newest valid file; None where no file is valid.

    Raises:
        VettingFailed: a file that may be it cannot be looked at now.
        StorageUnavailable: the folder cannot be listed.
    """
    for file in newest_first(list_models(storage, str(folder / "*"))):
        surveyed = look_at(file, vetter)
        if surveyed is None or isinstance(surveyed.verdict, ModelRejected):
            continue
        if not isinstance(surveyed.verdict, Vetted):
            raise VettingFailed(f"which model is live is not known yet: {file.uri}: {surveyed.trouble}")
        return surveyed.verdict
    return None


def take_parent(folder: Path) -> tuple[Any, str]:
    """The live model of a folder, to be tuned.

    Returns:
        The model of Keras, uncompiled, and its model_id.

    Raises:
        NotTunable: there is none, or it is no classifier of digits that Keras can load and train.
        VettingFailed, StorageUnavailable, CacheUnusable: from this machine.
    """
    _LOGGER.info("looking for the live model of %s", folder)
    storage = AnyStorage()
    with vetting(storage, DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH) as vetter:
        live = live_model(folder, storage, vetter)
        if live is None:
            raise NotTunable(f"there is no valid model in {folder}; {_TRAIN_ONE}")
    _require_digits(live)
    with tempfile.TemporaryDirectory(prefix="hotswap-retraining-") as place:
        copy = Path(place) / Path(live.reference.uri).name
        fetch(storage, live.reference.uri, copy)
        if sha256_of(copy) != live.reference.sha256:
            raise NotTunable(f"{live.reference.uri} was replaced a moment ago; repeat it")
        return _loaded(copy, live.reference.model_id), live.reference.model_id


def _require_digits(live: Vetted) -> None:
    manifest, model_id = live.artefact.manifest, live.reference.model_id
    card = manifest.card
    wanted = replace(INPUT, fit=card.input.fit)
    if card.input != wanted or manifest.input_shape != (INPUT.height, INPUT.width, INPUT.channels):
        raise NotTunable(f"{model_id} takes other images than 28x28 in grey, 0..1; {_TRAIN_ONE}")
    classes = [output.shape for output in manifest.outputs]
    if classes != [(len(LABELS),)] or card.activation != "none" or card.labels not in ((), LABELS):
        raise NotTunable(f"{model_id} does not tell the ten digits; {_TRAIN_ONE}")
    if not needs_keras(live.reference.uri):
        raise NotTunable(f"{model_id} is no file of Keras, which alone can be tuned; {_TRAIN_ONE}")


def _loaded(path: Path, model_id: str) -> Any:
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever the layer at fault raises
        raise NotTunable(
            f"{model_id} cannot be loaded by Keras {keras.__version__}: {one_line(error)}; {_TRAIN_ONE}"
        ) from error
