"""The rule by which one model is live: the newest valid file that matches the pattern. No threads, no clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from models.errors import ModelFault, ModelRejected
from models.reference import Statement
from models.storage import StoredFile, newest_first
from models.vetting import Vetted

Verdict = Vetted | ModelRejected

SETTLE_SECONDS = 1.0
"""How long a file on a local disk must hold still before it is opened."""
TRUNCATED_SECONDS = 5.0
"""How long a file that looks cut off must hold still before that is held against it: its copy may have paused."""
FIRST_STATEMENT_SECONDS = 30.0
"""How long the first statement waits for a newer file that is still being vetted."""


@dataclass
class _Entry:
    file: StoredFile
    unchanged_since: float
    at_start: bool
    verdict: Verdict | None = None
    not_before: float = 0.0


class Catalogue:
    """What is known about the files of a pattern, and what follows from it.

    Every method takes `now`: seconds of one clock, the same that file modification times are told in.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._started: float | None = None
        self.statement: Statement | None = None

    def observe(self, files: Sequence[StoredFile], now: float) -> None:
        """Takes in a listing; an empty one changes nothing."""
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
        entry = self._entries.get(file.uri)
        if entry is None or entry.file.version != file.version:
            return False
        if isinstance(verdict, ModelRejected) and verdict.fault is ModelFault.TRUNCATED and not file.finished:
            ready = self._settled_at(entry, TRUNCATED_SECONDS)
            if now < ready:
                entry.not_before = ready
                return False
        entry.verdict = verdict
        return True

    def postpone(self, file: StoredFile, until: float) -> None:
        """Leaves a file alone until then: it could not be read, or is being written."""
        entry = self._entries.get(file.uri)
        if entry is not None:
            entry.not_before = max(entry.not_before, until)

    def to_vet(self, now: float, in_progress: Collection[str]) -> list[StoredFile]:
        """The files worth vetting now, most urgent first.

        These are the undecided ones newer than the newest valid file, or that came after the start; and of the
        older ones the next in line, so that a rollback to it finds it vetted.
        """
        wanted = []
        newest_valid_seen = next_in_line_seen = False
        for entry in self._newest_first():
            if isinstance(entry.verdict, Vetted):
                next_in_line_seen = newest_valid_seen
                newest_valid_seen = True
            elif entry.verdict is None:
                worth_it = not newest_valid_seen or not next_in_line_seen or not entry.at_start
                next_in_line_seen = next_in_line_seen or newest_valid_seen
                if worth_it and entry.file.uri not in in_progress and self._ready_at(entry) <= now:
                    wanted.append(entry.file)
        return wanted

    def next_ready(self, now: float) -> float | None:
        """When the next undecided file that is not ready now will be; None if there is none."""
        return min(
            (at for e in self._entries.values() if e.verdict is None and (at := self._ready_at(e)) > now),
            default=None,
        )

    def state(self, now: float) -> Statement | None:
        """The newest valid file, as a statement; the same object as before while nothing changed.

        A live file that was overwritten stays stated until its new bytes are decided upon.
        """
        undecided = False
        for entry in self._newest_first():
            if isinstance(entry.verdict, Vetted):
                waited = now - (self._started or now)
                if self.statement is None and undecided and waited < FIRST_STATEMENT_SECONDS:
                    break
                self._state(entry.verdict, now)
                break
            if entry.verdict is None:
                undecided = True
                if self.statement is not None and entry.file.uri == self.statement.reference.uri:
                    break
        return self.statement

    def _state(self, vetted: Vetted, now: float) -> None:
        stated = self.statement
        if stated is None or stated.reference != vetted.reference:
            since = max(int(now * 1e6), stated.since + 1 if stated else 0)
            self.statement = Statement(vetted.reference, since)

    def _newest_first(self) -> list[_Entry]:
        return [self._entries[file.uri] for file in newest_first(e.file for e in self._entries.values())]

    def _ready_at(self, entry: _Entry) -> float:
        settled = 0.0 if entry.file.finished else self._settled_at(entry, SETTLE_SECONDS)
        return max(settled, entry.not_before)

    @staticmethod
    def _settled_at(entry: _Entry, seconds: float) -> float:
        """A file holds still since it was first seen so, or since its modification time if that is earlier."""
        return min(entry.unchanged_since, entry.file.modified) + seconds
