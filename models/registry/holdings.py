"""All that a registry holds, of whatever pattern and on whatever terms: found, and taken away."""

from __future__ import annotations

import os.path
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from models.reference import ModelReference
from models.registry.records import Accepted, Judgement, Pointer
from models.registry.registry import wherever_one_is
from models.storage.errors import NotWritten
from models.storage.objects import ObjectStore
from models.storage.patterns import matcher

_SIDE_BY_SIDE = 8
"""Requests; Google's client keeps ten connections."""
_TRIES = 5
_Read = TypeVar("_Read")


class Noted(NamedTuple):
    """A verdict, and where it lies.

    Attributes:
        name: of its object.
        judgement: what it says.
    """

    name: str
    judgement: Judgement

    @property
    def accepted(self) -> ModelReference | None:
        """The bytes that may be served; None where they may not."""
        return self.judgement.verdict.reference if isinstance(self.judgement.verdict, Accepted) else None


class Holdings:
    """What a registry holds.

    Every method raises `StorageUnavailable` where the registry gives no answer.

    Args:
        objects: the registry's.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self._objects.address

    def verdicts(self, but: Collection[str] = ()) -> list[Noted]:
        """All that can be understood, of objects with other names than these."""
        names = [name for name in self._objects.names("verdicts/") if name not in but]
        return [Noted(name, judgement) for name, judgement in self._read(names, Judgement.decode_any)]

    def pointers(self) -> list[Pointer]:
        """All that can be understood."""
        return [pointer for _, pointer in self._read(self._objects.names("live/"), Pointer.decode_any)]

    def forms(self, sha256: str) -> list[str]:
        """The names of what was compiled of these bytes, whole or not: those that say which archive it is come first,
        so that whoever finds one while all are taken away finds its archive too, or compiles the model anew.
        """
        names = [name for name in self._objects.names("compiled/") if name.startswith(f"compiled/{sha256}-")]
        return sorted(names, key=lambda name: (not name.endswith(".json"), name))

    def remove(self, names: Iterable[str]) -> None:
        """Takes objects away, in this order; what is gone already is no trouble.

        Raises:
            NotWritten: others write one again and again.
        """
        for name in names:
            if not any(self._is_gone(name) for _ in range(_TRIES)):
                raise NotWritten(f"{self.address}/{name} is changed by others again and again; look at it and repeat")

    def _is_gone(self, name: str) -> bool:
        found = self._objects.read(name)
        return found is None or self._objects.remove(name, found.version)

    def _read(self, names: Sequence[str], decode: Callable[[bytes], _Read]) -> Iterator[tuple[str, _Read]]:
        with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="registry") as pool:
            for name, found in zip(names, pool.map(self._objects.read, names), strict=True):
                try:
                    if found is not None:
                        yield name, decode(found.data)
                except ValueError:  # whoever it is meant for says so
                    continue


def place_of(uri: str, pattern: str = "") -> str:
    """The same for each way to write a file's address.

    Args:
        uri: as it was listed.
        pattern: by which a pointer knows it, which tells where one was that is not absolute.
    """
    if "://" in uri:
        return uri
    base, here, _ = pattern.partition("/./")
    folder, name = os.path.split(os.path.join(base if here else "", uri))  # noqa: PTH118 - a str in, and out
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - a link is a file of its own


def covers(pattern: str, place: str) -> bool:
    """Whether the files of a pointer's pattern include the one at this place, as far as their names tell."""
    named = pattern if "://" in pattern else os.path.normpath(pattern)
    return bool(matcher(named).match(place))


def stated(pointers: Iterable[Pointer], place: str) -> list[Pointer]:
    """Those by which the file at this place is live."""
    return [each for each in pointers if place_of(each.now.reference.uri, each.pattern) == place]


def about(pointers: Iterable[Pointer], place: str, pattern: str | None) -> list[Pointer]:
    """Those of this pattern; where none is named, of each that covers the place."""
    wanted = None if pattern is None else wherever_one_is(pattern)
    return [each for each in pointers if each.pattern == wanted or (wanted is None and covers(each.pattern, place))]
