"""Whether a model file is live: by a registry's pointers, else by the rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from models.errors import ModelRejected
from models.registry.holdings import about, place_of, stated
from models.registry.records import Pointer
from models.signatures.beside import list_models
from models.storage import Storage, StoredFile, newest_first
from models.storage.errors import InvalidAddress
from models.survey import Surveyed


class Liveness(NamedTuple):
    """What is known of it.

    Attributes:
        live: whether it is live, or may be.
        why: in a few words.
    """

    live: bool
    why: str


def by_pointers(pointers: Iterable[Pointer], uri: str, pattern: str | None) -> Liveness | None:
    """What a registry says; None where it has no word on the patterns that list the file.

    Args:
        pointers: all of the registry's.
        uri: of the file.
        pattern: that its readers follow; any that lists it where None.
    """
    known, place = list(pointers), place_of(uri)
    if live := stated(known, place):
        return Liveness(True, f"it is live for {live[0].pattern}, by the registry")
    if tried := [each for each in known if each.trial and place_of(each.trial.new.uri, each.pattern) == place]:
        return Liveness(True, f"it is tried for {tried[0].pattern}, by the registry")
    if words := about(known, place, pattern):
        return Liveness(False, f"live for {words[0].pattern} is {words[0].now.reference.model_id}, by the registry")
    return None


def by_the_rule(storage: Storage, uri: str, pattern: str, look: Callable[[StoredFile], Surveyed | None]) -> Liveness:
    """What follows from the newest valid file of a pattern; only those that can matter are looked at.

    Args:
        storage: lists the files.
        uri: of the file.
        pattern: of model files.
        look: comes to a verdict on a file; None where it is gone.

    Raises:
        InvalidAddress: the pattern does not list the file.
        StorageUnavailable: the storage gave no answer.
    """
    files, place = newest_first(list_models(storage, pattern)), place_of(uri)
    if all(place_of(file.uri) != place for file in files):
        raise InvalidAddress(f"{pattern} does not list {uri}; give the pattern that its readers follow")
    for file in files:
        found = look(file)
        own = place_of(file.uri) == place
        if found is None or isinstance(found.verdict, ModelRejected):
            if own:
                return Liveness(False, f"it is not valid: {found.verdict}" if found else "it is gone")
        elif own and found.verdict is None:
            return Liveness(True, f"it may be live: {found.trouble}")
        elif own:
            return Liveness(True, f"it is the newest valid file of {pattern}")
        elif found.verdict is not None:
            return Liveness(False, f"the newest valid file of {pattern} is {file.uri}")
    return Liveness(False, "it is gone")
