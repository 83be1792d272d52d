"""The rule by which one model is live: the newest valid file that matches the pattern. No threads, no clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from models.artefacts import Vetted
from models.errors import SIGNATURE_FAULTS, ModelRejected
from models.reference import ModelReference
from models.registry.records import Accepted, Verdict
from models.storage import StoredFile, newest_first

SETTLE_SECONDS = 1.0
"""How long a file on a local disk must hold still before it is opened."""
REJECTED_SECONDS = 5.0
"""How long a file must hold still before a rejection is held against it: its copy may have paused."""
FIRST_STATEMENT_SECONDS = 30.0
"""How long the first statement waits for a newer file that is still being vetted."""


class Judged(Protocol):
    """A file and what vetting said of it; None while it has said nothing."""

    @property
    def file(self) -> StoredFile:
        """As it was listed."""

    @property
    def verdict(self) -> Verdict | Vetted | None:
        """Its latest."""


_Judged = TypeVar("_Judged", bound=Judged)


def live_one(judged: Iterable[_Judged]) -> _Judged | None:
    """The newest valid file; None if there is none."""
    by_uri = {each.file.uri: each for each in judged if isinstance(each.verdict, Accepted | Vetted)}
    newest = newest_first(each.file for each in by_uri.values())
    return by_uri[newest[0].uri] if newest else None


@dataclass
class _Entry:
    file: StoredFile
    unchanged_since: float
    at_start: bool
    verdict: Verdict | None = None
    not_before: float = 0.0
    is_left: bool = False


class Catalogue:
    """What is known about the files of a pattern, and what follows from it.

    Every method takes `now`: seconds of one clock, the same that file modification times are told in.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._started: float | None = None
        self._emptied = False
        self._refused: Collection[str] = ()

    def observe(self, files: Sequence[StoredFile], now: float) -> None:
        """Takes in a listing; an empty one changes nothing."""
        self._emptied = not files
        if not files:
            return
        first_listing = self._started is None
        if self._started is None:
            self._started = now
        entries = {}
        for file in files:
            known = self._entries.get(file.uri)
            same = known is not None and known.file.version == file.version
            entries[file.uri] = known if known and same else _Entry(file, now, at_start=first_listing)
        self._entries = entries

    def record(self, file: StoredFile, verdict: Verdict, now: float) -> bool:
        """Takes in a verdict.

        Returns:
            Whether it stands; not if the file has changed since, or may still be growing.
        """
        entry = self._current(file)
        if entry is None or self.stands_at(file, verdict) > now:
            return False
        entry.verdict = verdict
        return True

    def stands_at(self, file: StoredFile, verdict: Verdict) -> float:
        """From when on a verdict can be recorded.

        A local file is never rejected for being early, nor is any because its signature came a moment before it, or
        after.
        """
        entry = self._current(file)
        if entry is None or not isinstance(verdict, ModelRejected):
            return 0.0
        settled = 0.0 if file.finished else self._settled_at(entry, REJECTED_SECONDS)
        if verdict.fault in SIGNATURE_FAULTS and not entry.at_start:
            return max(settled, entry.unchanged_since + REJECTED_SECONDS)
        return settled

    def is_current(self, file: StoredFile) -> bool:
        """Whether the last listing shows this very version of a file."""
        return self._current(file) is not None

    def holds(self, reference: ModelReference) -> bool:
        """Whether these bytes are listed, and valid."""
        entry = self._entries.get(reference.uri)
        return entry is not None and isinstance(entry.verdict, Accepted) and entry.verdict.reference == reference

    def has_lost(self, reference: ModelReference) -> bool:
        """Whether the file of these bytes is not listed any more, has others now, or lost its signature."""
        entry = self._entries.get(reference.uri)
        match entry and entry.verdict:
            case Accepted(held):
                return held != reference
            case ModelRejected(model_id=model_id, fault=fault):
                return model_id != reference.model_id or fault in SIGNATURE_FAULTS
        return entry is None

    def has_withdrawn(self, reference: ModelReference) -> bool:
        """Whether somebody has taken these bytes back: their file is not listed any more, or lost its signature.

        Of a file that is overwritten, the bytes before stay what they were, until it is decided upon the new ones.
        """
        entry = self._entries.get(reference.uri)
        match entry and entry.verdict:
            case ModelRejected(model_id=model_id, fault=fault):
                return fault in SIGNATURE_FAULTS and model_id in (None, reference.model_id)
        return entry is None

    def name_of(self, reference: ModelReference) -> str:
        """What a listed model is called; "" where it is not."""
        entry = self._entries.get(reference.uri)
        verdict = entry.verdict if entry else None
        return verdict.name if isinstance(verdict, Accepted) and verdict.reference == reference else ""

    def refuse(self, refused: Collection[str]) -> None:
        """Has models be passed over that were tried and rolled back.

        Args:
            refused: the SHA-256 of each, in place of those before.
        """
        self._refused = refused

    def listed(self) -> Collection[str]:
        """The URIs of the files that match the pattern."""
        return self._entries.keys()

    def postpone(self, file: StoredFile, until: float) -> None:
        """Leaves a file alone until then: it could not be read, or is being written."""
        entry = self._current(file)
        if entry is not None:
            entry.not_before = max(entry.not_before, until)

    def leave(self, file: StoredFile) -> bool:
        """Has a file be decided upon by others alone, as long as it stays as it is; whether that is new."""
        entry = self._current(file)
        if entry is None or entry.is_left:
            return False
        entry.is_left = True
        return True

    def is_left(self, file: StoredFile) -> bool:
        """Whether others alone decide upon this version of a file."""
        entry = self._current(file)
        return entry is not None and entry.is_left

    def to_vet(self, now: float, in_progress: Collection[str]) -> list[StoredFile]:
        """The files worth vetting now, most urgent first.

        These are the undecided ones newer than the newest valid file, or that came after the start; and of the
        older ones the next in line, so that a rollback to it finds it vetted.
        """
        if self._emptied:  # of what is remembered nothing is there
            return []
        wanted = []
        newest_valid_seen = next_in_line_seen = False
        for entry in self._newest_first():
            if isinstance(entry.verdict, Accepted):
                if entry.verdict.reference.sha256 in self._refused:
                    continue
                next_in_line_seen = newest_valid_seen
                newest_valid_seen = True
            elif entry.verdict is None:
                worth_it = not newest_valid_seen or not next_in_line_seen or not entry.at_start
                next_in_line_seen = next_in_line_seen or newest_valid_seen
                if worth_it and entry.file.uri not in in_progress and self._ready_at(entry) <= now:
                    wanted.append(entry.file)
        return wanted

    def settling(self, now: float) -> list[StoredFile]:
        """The files that will soon be worth vetting, if they hold still; not those that were postponed."""
        return [
            entry.file
            for entry in self._entries.values()
            if entry.verdict is None and entry.not_before <= now < self._ready_at(entry)
        ]

    def next_change(self, now: float) -> float | None:
        """When something will follow from nothing but time: a file is ready, or the first statement need not wait."""
        changes = [self._ready_at(entry) for entry in self._entries.values() if entry.verdict is None]
        if self._started is not None:
            changes.append(self._started + FIRST_STATEMENT_SECONDS)
        return min((at for at in changes if at > now), default=None)

    def successor(self, stated: ModelReference | None, now: float) -> Accepted | None:
        """The newest valid file, if it is to be stated in place of what is; None where that stays.

        What is stated gives way to a newer valid file, or where its own is gone, lost its signature, or holds other
        bytes and those are decided upon; not to another opinion of its own bytes.

        Args:
            stated: what is live; None before there is anything.
            now: seconds.
        """
        undecided: set[str] = set()
        last_resort: Accepted | None = None
        for entry in self._newest_first():
            match entry.verdict:
                case None if stated is not None or not entry.is_left:  # the first statement waits for nobody else
                    undecided.add(entry.file.uri)
                case None:
                    continue
                case ModelRejected(model_id=model_id, fault=fault):
                    if stated is not None and model_id == stated.model_id and fault not in SIGNATURE_FAULTS:
                        return None
                case Accepted(reference) as tried if reference.sha256 in self._refused and reference != stated:
                    if stated is not None and reference.uri == stated.uri:
                        return None
                    last_resort = last_resort or tried
                case Accepted(reference) as newest:
                    stays = reference == stated or self._waits_for(undecided, stated, now)
                    return None if stays else newest
        return None if stated is not None or self._waits_for(undecided, stated, now) else last_resort

    def _waits_for(self, undecided: Collection[str], stated: ModelReference | None, now: float) -> bool:
        """Whether what is stated stays as it is until something is known of these newer files."""
        if stated is not None:
            return stated.uri in undecided
        waited = now - (now if self._started is None else self._started)
        return bool(undecided) and waited < FIRST_STATEMENT_SECONDS

    def _current(self, file: StoredFile) -> _Entry | None:
        """What is known about `file`, unless it has changed or gone since."""
        entry = self._entries.get(file.uri)
        return entry if entry is not None and entry.file.version == file.version else None

    def _newest_first(self) -> list[_Entry]:
        return [self._entries[file.uri] for file in newest_first(e.file for e in self._entries.values())]

    def _ready_at(self, entry: _Entry) -> float:
        settled = 0.0 if entry.file.finished else self._settled_at(entry, SETTLE_SECONDS)
        return max(settled, entry.not_before)

    @staticmethod
    def _settled_at(entry: _Entry, seconds: float) -> float:
        """A file holds still since it was first seen so, or since its modification time if that is earlier."""
        return min(entry.unchanged_since, entry.file.modified) + seconds
