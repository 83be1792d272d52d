"""How the stream stands: what its job tells of models, made into one state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from models.moments import rfc3339
from studio.stream.state import LiveModel, StreamState, Word


class Standing:
    """Any thread may use it.

    A model is live once a job says so, not once a file is there. A job runs once its own model is live, as it reads by
    then; or once it has answered.

    Args:
        changed: called after each change, outside of any lock.
        believes_answers: whether who answers is live, so that a job runs as soon as it answers; else the job's events
            alone tell that: a model that is tried answers too, and is not live.
    """

    def __init__(self, changed: Callable[[], None], believes_answers: bool = True) -> None:
        self._changed = changed
        self._believes_answers = believes_answers
        self._lock = threading.Lock()
        self._state = StreamState("starting", "", None, 0, 0, 0)
        self._worker: str | None = None
        self._began = ""
        self._untold_swap = ""

    @property
    def state(self) -> StreamState:
        """As it is now."""
        return self._state

    def set_word(self, word: Word, detail: str) -> None:
        """Something happened to the job."""
        with self._lock:
            before, self._state = self._state, replace(self._state, word=word, detail=detail)
            is_new = before != self._state
        if is_new:
            self._changed()

    def set_detail(self, detail: str) -> None:
        """What is awaited, unless nothing is any more."""
        with self._lock:
            if self._state.word == "running" or self._state.detail == detail:
                return
            self._state = replace(self._state, detail=detail)
        self._changed()

    def job_began(self, pid: int) -> None:
        """What a job before this one still tells changes no word."""
        with self._lock:
            self._worker = f"-{pid}"
            self._began = rfc3339()

    def job_ended(self) -> None:
        """Nobody tells anything until another one begins."""
        with self._lock:
            self._worker, self._began = None, ""

    def take_event(self, record: Mapping[str, Any]) -> bool:
        """A model event; whether it tells of a swap: one that was counted and that no event has told of."""
        with self._lock:
            is_ours = self._worker is not None and str(record.get("worker", "")).endswith(self._worker)
            if record.get("event") != "live" or not is_ours:
                return False
            self._goes_live(record, str(record.get("time", "")))
            # An answer of a new job may have come before its event, and was counted then.
            swapped = self._untold_swap != "" and self._untold_swap == self._live_id()
            self._untold_swap = ""
        self._changed()
        return swapped

    def take_result(self, record: Mapping[str, Any]) -> None:
        """A result that was not taken before."""
        with self._lock:
            self._state = replace(self._state, results=self._state.results + 1)
            answered = str(record.get("predict_time", ""))
            # Once a job runs, its events alone tell of models: an answer of the one before may come after a swap.
            is_first = self._believes_answers and self._state.word != "running" and bool(self._began)
            if is_first and answered > self._began:
                self._goes_live(record, answered)
        self._changed()

    def take_dead_letter(self) -> None:
        """A dead letter that was not taken before."""
        with self._lock:
            self._state = replace(self._state, dead_letters=self._state.dead_letters + 1)
        self._changed()

    def _goes_live(self, record: Mapping[str, Any], since: str) -> None:
        """Under the lock."""
        before = self._state.live
        live = LiveModel(str(record.get("model_id", "")), str(record.get("model_name", "")), since)
        if before is not None and before.model_id == live.model_id:
            live = before
        swapped = before is not None and before is not live
        if swapped:
            self._untold_swap = live.model_id
        swaps = self._state.swaps + swapped
        self._state = replace(self._state, word="running", detail="", live=live, swaps=swaps)

    def _live_id(self) -> str:
        return self._state.live.model_id if self._state.live else ""
