"""Telling of requests never holds up a request, and settings that tell nobody are refused."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.metrics import LINES, SPANS
from serving.telemetry import observing
from serving.telemetry.observing import Observer, Observing, ObservingRefused
from tests.own_process import run_module
from tests.serving.telemetry.calls import answered, refused
from tests.waiting import eventually


class Losses:
    """What was lost."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def __call__(self, what: str, count: int) -> None:
        self.counts[what] += count


@pytest.fixture
def lost() -> Losses:
    return Losses()


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Path]:
    """Nobody reads it: who writes to it waits."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    yield path
    os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))  # lets go whoever waits


def test_where_nothing_is_asked_for_nobody_is_told(lost: Losses) -> None:
    assert Observing().begin(lost) is None


def test_what_is_over_is_told_before_the_end(tmp_path: Path, lost: Losses) -> None:
    path = tmp_path / "log"
    observer = Observing(str(path)).begin(lost)
    assert observer is not None
    for _ in range(1000):
        observer.over(answered(), "OK")
    observer.close()
    assert len(path.read_text().splitlines()) == 1000
    assert not lost.counts


def test_probes_are_told_of_where_they_go_wrong_alone(tmp_path: Path, lost: Losses) -> None:
    path = tmp_path / "log"
    observer = Observing(str(path)).begin(lost)
    assert observer is not None
    for status in ("OK", 200, "UNAUTHENTICATED", 503):
        call = answered() if isinstance(status, str) else refused()
        call.is_probe = True
        observer.over(call, status)
    observer.close()
    told = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each.get("code", each.get("status")) for each in told] == ["UNAUTHENTICATED", 503]


def test_a_reader_who_does_not_read_holds_up_nothing_and_what_is_lost_is_counted(
    pipe: Path, lost: Losses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "LONGEST_QUEUE", 10)
    observer = Observing(str(pipe)).begin(lost)
    assert observer is not None

    def ask() -> None:
        for _ in range(2000):
            observer.over(answered(), "OK")

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(60)
    assert not asking.is_alive()
    assert lost.counts[LINES] >= 2000 - 10 - 512
    assert not lost.counts[SPANS]


def test_lines_that_a_full_disk_does_not_take_are_counted(lost: Losses) -> None:
    observer = Observing("/dev/full").begin(lost)
    assert observer is not None
    for _ in range(3):
        observer.over(answered(), "OK")
    eventually(lambda: lost.counts[LINES] == 3, "lost lines to be counted")
    observer.close()


@pytest.mark.parametrize("name", [".", "none/log"])
def test_a_log_that_cannot_be_written_is_refused_at_the_start(name: str, tmp_path: Path) -> None:
    with pytest.raises(ObservingRefused, match="cannot be written"):
        Observing(str(tmp_path / name)).require_possible()


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "collector:4317",
        "http://",
        "http://collector",
        "ftp://c:1",
        "http://c:99999",
        "http://c:1/v1",
        "http://u@c:1",
    ],
)
def test_what_is_no_collector_is_refused_at_the_start(endpoint: str) -> None:
    with pytest.raises(ObservingRefused, match="http://HOST:PORT"):
        Observing(collector=endpoint).require_possible()


@pytest.mark.parametrize("endpoint", ["http://collector:4317", "https://[::1]:4317/"])
def test_a_collector_is_where_it_says(endpoint: str) -> None:
    Observing(collector=endpoint).require_possible()


def test_whoever_asks_for_no_traces_pays_nothing_for_them() -> None:
    assert run_module("tests.serving.telemetry.imported").split() == []


def test_an_observer_without_anything_to_do_ends(lost: Losses) -> None:
    Observer(None, None, lost).close()
