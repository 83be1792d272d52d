"""What a host tells of its beginning is a stranger's: a model that took it over says what it likes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.confinement.starting import start_confined
from models.errors import MachineFailed, ModelUnfit
from models.hosting import host_process, patience
from models.hosting.host_process import HostProcess
from models.hosting.patience import START_SECONDS, Patience
from tests.model_files import vetted_classifier

TRUE = {"dtypes": ["float32"], "largest_run": 4, "seconds": 0.001, "wrong": ""}
Begin = Callable[[dict[str, Any]], HostProcess]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Begins a host that says what it is told to."""
    with ExitStack() as stack:

        def begun(said: dict[str, Any]) -> HostProcess:
            start = partial(_started, json.dumps(TRUE | said))
            monkeypatch.setattr(host_process, "start_confined", start)
            return stack.enter_context(closing(HostProcess(vetted_classifier(tmp_path).artefact, 1, Patience())))

        yield begun


def _started(said: str, module: str, arguments: list[str], *rest: Any, **named: Any) -> Any:
    return start_confined("tests.models.hosting.boasting_host", [said], *rest, **named)


def test_a_host_that_tells_the_truth_begins(begin: Begin) -> None:
    host = begin({})
    assert (host.largest_run, host.seconds) == (4, 0.001)


@pytest.mark.parametrize(
    "lie",
    [
        {"dtypes": ["O"]},
        {"dtypes": ["float128"]},
        {"dtypes": ["f4,f4"]},
        {"dtypes": ["(1000000000,)f4"]},
        {"dtypes": []},
        {"dtypes": 7},
        {"largest_run": float("inf")},
        {"seconds": "soon"},
        {"wrong": "rows"},
    ],
    ids=str,
)
def test_one_that_says_what_cannot_be_is_unfit(begin: Begin, lie: dict[str, Any]) -> None:
    with pytest.raises(ModelUnfit):
        begin(lie)


@pytest.mark.parametrize(("said", "meant"), [(float("inf"), START_SECONDS), (float("nan"), 0.0), (-5.0, 0.0)])
def test_how_slow_it_says_that_it_is_counts_within_reason(begin: Begin, said: float, meant: float) -> None:
    host = begin({"seconds": said, "largest_run": -3})
    assert (host.largest_run, host.seconds) == (1, meant)


@pytest.mark.parametrize(("how", "fault"), [("killed", "signal 9"), ("silent", "took too long to load")])
def test_one_that_is_killed_or_waited_for_in_vain_while_it_loads_is_the_machines_doing(
    how: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "start_confined", partial(_started, how))
    if how == "silent":
        monkeypatch.setattr(host_process, "START_SECONDS", 0.5)
        monkeypatch.setattr(patience, "_is_starved", lambda *_: False)
    with pytest.raises(MachineFailed, match=fault):
        HostProcess(vetted_classifier(tmp_path).artefact, 1, Patience())


def test_at_the_end_of_the_program_nobody_is_waited_for_long_however_slow_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "LAST_SECONDS", 0.01)
    monkeypatch.setattr(patience, "_LONGEST_LAST_SECONDS", 0.02)
    ending = Patience()
    ending.end_soon()
    assert not ending.wait(lambda seconds: False, os.getpid(), 1e9)
