"""What the stream's registry knows of the studio's models, read and not vetted, and going back to one of them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from models.artefacts import DEFAULT_ENGINE, DEFAULT_MAX_VALUES
from models.errors import one_line
from models.known import Known, history_as_json, known_of, roll_back
from models.printable import printable
from models.registry.registry import Registry, Terms
from models.signatures.beside import list_models
from models.storage import newest_first
from models.storage.schemes import AnyStorage
from models.survey import Surveyed, survey_as_json
from models.tags import by_key
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.refusals import told_of_storage
from studio.store.records import Accuracy

_LONGEST_REASON = 500


class KnownModels:
    """The models of one studio, as its stream knows them.

    Args:
        places: where models and registry are.
        storage: reaches both.
    """

    def __init__(self, places: Places, storage: AnyStorage) -> None:
        self._places = places
        self._storage = storage
        self._rolling_back = threading.Lock()

    def to_json(self, accuracies: Sequence[Accuracy]) -> dict[str, Any]:
        """What is known, as the page reads it: `models`, newest first, and `history`, the latest change first.

        Nothing is vetted for it, and of changes the last hundred are remembered.

        Args:
            accuracies: what is known of models; of another none is told.

        Raises:
            StudioRefused: the folder, or the registry, cannot be read.
        """
        with told_of_storage("the models cannot be listed"):
            _, known = self._read()
        told = [as_row(each, known.live) for each in known.files]
        right = {each.model_id: _accuracy(each) for each in accuracies}
        names = {each["model_id"]: each["name"] for each in told}
        return {
            "models": [each | {"accuracy": right.get(each["model_id"])} for each in told],
            "history": [_change(each, names) for each in reversed(history_as_json(known.changes))],
        }

    def roll_back(self, model_id: str) -> str:
        """Makes an earlier model live, as `hotswap rollback --registry` does; nothing where it is live already.

        Returns:
            The model_id that will be live.

        Raises:
            StudioRefused: it is no valid model of the folder, or it cannot be written that it shall be live.
        """
        with self._rolling_back, told_of_storage("the model stays as it is"):
            registry, known = self._read()
            target = known.live
            if target is None or target.model_id != model_id:
                target = _valid_one(known, model_id)
            roll_back(registry, self._storage, target, known)
            return target.model_id

    def _read(self) -> tuple[Registry, Known]:
        """A registry remembers what it has listed: each question has its own."""
        registry = stream_registry(self._places, self._storage)
        return registry, known_of(registry, newest_first(list_models(self._storage, self._places.pattern)))


def stream_registry(places: Places, storage: AnyStorage) -> Registry:
    """What the stream's job knows of models, to be read by one thread.

    Raises:
        InvalidAddress: the folder can be none.
    """
    # The very terms of the stream's job, which is started with this pattern, this registry and no other of its options.
    terms = Terms(DEFAULT_ENGINE, DEFAULT_MAX_VALUES)
    return Registry(storage.objects(str(places.registry)), places.pattern, terms)


def as_row(each: Surveyed, live: Surveyed | None) -> dict[str, Any]:
    """A model as the page reads it, all but its accuracy; its texts are data, whatever they contain.

    A live model whose file is gone has neither `modified` nor `size`.
    """
    [told] = survey_as_json([each], live)
    is_there = bool(each.file.version)
    return {
        "model_id": told["model_id"],
        "file": printable(PurePosixPath(told["uri"]).name),
        "name": printable(told["model_name"]),
        "version": printable(told["version"]),
        "standing": told["state"],
        "reason": one_line(told["reason"], _LONGEST_REASON) if told["reason"] else "",
        "tags": {printable(key): printable(value) for key, value in by_key(told["tags"]).items()},
        "card": each.accepted.card.to_json() if each.accepted and each.accepted.card else None,
        "modified": told["modified"] if is_there else None,
        "size": told["size"] if is_there else None,
        "engine": told["engine"],
    }


def _accuracy(told: Accuracy) -> dict[str, int]:
    return {name: count for name, count in asdict(told).items() if name != "model_id"}


def _change(told: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """What became live once; a model that is gone is called as its file was."""
    file = PurePosixPath(told["model_id"].rpartition("@")[0]).stem
    kept = {name: told[name] for name in ("epoch", "model_id", "since", "until", "why", "by")}
    return kept | {"name": names.get(told["model_id"], printable(file))}


def _valid_one(known: Known, model_id: str) -> Surveyed:
    """The model of this model_id, which can go live.

    Raises:
        StudioRefused: NOT_POSSIBLE.
    """
    target, called = next((each for each in known.files if each.model_id == model_id), None), one_line(model_id)
    if target is None:
        line = f"there is no model {called} any more; look at the models again, and choose one that is valid"
    elif target.verdict is None:
        line = f"{called} is not known to be valid yet; wait until the stream has vetted it"
    elif target.accepted is None:
        line = f"{called} is rejected: {one_line(target.reason, _LONGEST_REASON)}; choose one that is valid"
    else:
        return target
    raise StudioRefused(Trouble.NOT_POSSIBLE, line)
