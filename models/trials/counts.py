"""Counts of names that strangers choose: bounded, and the same whichever way they are added up."""

from __future__ import annotations

import bisect
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from models.printable import printable

MOST_COUNTED = 1 << 53
"""Greater numbers are no counts: JSON readers elsewhere would round them."""
_DIGEST_BYTES = 8


def short_name(text: str, longest: int) -> str:
    """A stranger's name as it is kept: printable, and where it is long, cut and told apart by its digest.

    Args:
        text: any string, lone surrogates included.
        longest: bytes of UTF-8, at least 16.
    """
    shown = printable(text)
    data = shown.encode()
    if len(data) <= longest:
        return shown
    return data[: longest - 10].decode(errors="ignore") + "…" + _digest(shown)[:7]


def read_count(value: object) -> int:
    """A count that came from outside.

    Raises:
        ValueError: it is none.
    """
    if type(value) is not int or not 0 <= value <= MOST_COUNTED:
        raise ValueError(f"not a count: {str(value)[:40]!r}")
    return value


class BoundedCounts:
    """How often each name came; a name is a tuple of strings, such as the labels that two models gave.

    Names are kept in the order of their digests until there are too many, and the others are one number. So which ones
    are kept depends on the names alone, neither on who counted them nor on who was added to whom first, and the counts
    of those that are kept are whole (a bottom-k sketch: Cohen and Kaplan, PODC 2007).

    Args:
        most: names.
        longest: bytes of each string of a name.
        space: bytes that all of them may take as JSON.
        strings: of each name.
    """

    def __init__(self, most: int, longest: int, space: int, strings: int = 1) -> None:
        self._most, self._longest, self._space, self._strings = most, longest, space, strings
        self._counts: dict[tuple[str, ...], int] = {}
        self._order: list[tuple[str, tuple[str, ...]]] = []
        self._taken = 0
        self._bound: str | None = None
        self.rest = 0
        """How often one came that is not kept."""

    def add(self, name: Sequence[str], times: int = 1) -> None:
        """Counts a name; long strings of it are cut, see `short_name`."""
        key = tuple(name)
        if key not in self._counts:
            key = tuple(short_name(each, self._longest) for each in key)
        if key not in self._counts:
            order = _order_of(key)
            if self._bound is not None and order >= self._bound:
                self.rest += times
                return
            bisect.insort(self._order, (order, key))
            self._counts[key] = 0
            self._taken += _space_of(key)
        self._counts[key] += times
        while len(self._order) > self._most or self._taken > self._space:
            self._drop_last()

    def merge(self, other: BoundedCounts) -> None:
        """Adds what another one counted, of the same bounds."""
        self.rest += other.rest
        if other._bound is not None:
            self._close(other._bound)
        for name, times in other.items():
            self.add(name, times)

    def items(self) -> Iterator[tuple[tuple[str, ...], int]]:
        """The names that are kept, the most frequent one first, and how often each came."""
        yield from sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))

    def __getitem__(self, name: tuple[str, ...]) -> int:
        """How often a name came, as it is kept; 0 where it is not."""
        return self._counts.get(name, 0)

    def __len__(self) -> int:
        return len(self._counts)

    def keeps(self, name: tuple[str, ...]) -> bool:
        """Whether a name, as it is kept, is counted by itself or would be if it came."""
        return self._bound is None or _order_of(name) < self._bound

    @property
    def total(self) -> int:
        """How often any came."""
        return sum(self._counts.values()) + self.rest

    @property
    def is_whole(self) -> bool:
        """Whether every name that came is kept."""
        return self._bound is None

    def to_json(self) -> dict[str, Any]:
        """As `read` reads it."""
        rows = [[*name, self._counts[name]] for _, name in self._order]
        return {"counts": rows, "rest": self.rest, "bound": self._bound}

    def read(self, value: Any) -> None:
        """Adds what `to_json` told.

        Raises:
            ValueError: it did not.
        """
        rows, bound = value["counts"], value["bound"]
        if bound is not None:
            if not isinstance(bound, str) or len(bound) > 100:
                raise ValueError("not the bound of counts")
            self._close(bound)
        self.rest += read_count(value["rest"])
        if not isinstance(rows, list) or len(rows) > self._most:
            raise ValueError(f"more than {self._most} counts, or none")
        for *name, times in rows:
            if len(name) != self._strings or not all(isinstance(each, str) for each in name):
                raise ValueError(f"a name that is not {self._strings} strings")
            self.add(name, read_count(times))

    def _close(self, bound: str) -> None:
        self._bound = bound if self._bound is None else min(bound, self._bound)
        while self._order and self._order[-1][0] >= self._bound:
            self._drop_last()

    def _drop_last(self) -> None:
        order, key = self._order.pop()
        self._bound = order if self._bound is None else min(order, self._bound)
        self._taken -= _space_of(key)
        self.rest += self._counts.pop(key)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def _order_of(name: tuple[str, ...]) -> str:
    # By the last of its strings first, so that kept pairs are all those of a few labels: a matrix without holes.
    digests = [_digest(each) for each in name]
    return "".join([max(digests), *digests])


def _space_of(name: tuple[str, ...]) -> int:
    return len(json.dumps(name, ensure_ascii=False).encode()) + 20
