"""A hosted model begins to answer while whoever asked does something else; else all is as ever."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.compute_threads import cores
from models.engines.engine import AnswersElsewhere
from models.errors import ModelFailed, ModelsClosed
from models.hosting import lane
from models.hosting.hosted_engine import Hosts
from tests.model_files import vetted_classifier
from tests.models.hosting.hosted import BAD, GOOD, WORDS, signal_host
from tests.treacherous_models import TREACHERIES, endless, vetted_treachery
from tests.waiting import eventually


def test_what_was_begun_is_answered_as_ever_however_many_are_begun_at_once(tmp_path: Path, hosts: Hosts) -> None:
    artefact = vetted_classifier(tmp_path, classes=5).artefact
    engine = hosts.load(artefact, 1)
    assert isinstance(engine, AnswersElsewhere)
    shape = (3, *artefact.manifest.input_shape)
    batches = [np.random.default_rng(seed).random(shape, np.float32) for seed in range(4 * cores())]
    expected = [engine.predict(batch)[0] for batch in batches]
    with ThreadPoolExecutor(len(batches)) as threads:
        told = list(threads.map(lambda batch: engine.ask(batch)()[0], batches))
    assert all(map(np.array_equal, told, expected))


def test_a_batch_for_which_there_is_no_room_is_answered_in_parts_later(
    tmp_path: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    vetted = vetted_classifier(tmp_path, classes=5)
    monkeypatch.setattr(lane, "ROOM_BYTES", 2 * vetted.artefact.manifest.bytes_an_image)
    engine = hosts.load(vetted.artefact, 1)
    batch = np.random.default_rng(7).random((5, *vetted.artefact.manifest.input_shape), np.float32)
    assert np.array_equal(engine.ask(batch)()[0], engine.predict(batch)[0])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("is_before", [True, False])
def test_a_host_that_ends_or_stops_before_or_after_it_was_asked_costs_no_single_image(
    is_before: bool, number: int, tmp_path: Path, hosts: Hosts
) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    (expected,) = engine.predict(GOOD[:1])
    host = signal_host(engine, signal.SIGSTOP)  # it cannot have answered yet
    if is_before:
        host.send_signal(number)
    answer = engine.ask(GOOD[:1])
    if not is_before:
        host.send_signal(number)
    assert np.array_equal(answer()[0], expected)
    assert hosts.restarts >= 1


@pytest.mark.parametrize("treachery", TREACHERIES)
def test_whatever_a_model_does_instead_is_told_once_that_is_waited_for(
    treachery: str, tmp_path: Path, hosts: Hosts
) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES[treachery]()).artefact, 1)
    (expected,) = engine.predict(GOOD)
    answer = engine.ask(BAD)
    with pytest.raises(ModelFailed) as failed:
        answer()
    assert failed.value.fault is WORDS[treachery]
    assert np.array_equal(engine.ask(GOOD)()[0], expected)


def test_an_image_that_was_begun_beside_one_that_kills_the_host_is_answered(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    (expected,) = engine.predict(GOOD)
    for _ in range(5):
        host = signal_host(engine, signal.SIGSTOP)
        begun = engine.ask(GOOD)
        with ThreadPoolExecutor(1) as other:
            killing = other.submit(engine.predict, BAD[1:])
            host.send_signal(signal.SIGCONT)
            assert np.array_equal(begun()[0], expected)
            assert isinstance(killing.exception(), ModelFailed)


def test_closing_lets_go_who_waits_and_who_has_not_waited_yet(tmp_path: Path) -> None:
    hosts = Hosts()
    engine = hosts.load(vetted_treachery(tmp_path, endless()).artefact, 1)
    before, after = engine.ask(BAD), engine.ask(BAD) if cores() > 1 else None
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(before)
        threading.Timer(0.1, hosts.close).start()
        assert isinstance(waiting.exception(), ModelsClosed)
    for late in (after, engine.ask(GOOD)):
        if late is not None:
            with pytest.raises(ModelsClosed):
                late()


def test_what_was_begun_leaves_nothing_behind(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    engine.ask(GOOD)()
    before = psutil.Process().num_fds()
    for _ in range(20):
        engine.ask(GOOD)()
    assert psutil.Process().num_fds() <= before


def test_who_has_a_model_alone_is_answered_and_others_are_once_it_is_left(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    (expected,) = engine.predict(GOOD)
    with ThreadPoolExecutor(2) as others:
        with engine.alone(), engine.alone():  # as often as that thread likes
            begun = others.submit(engine.ask, GOOD).result()  # waits for nobody
            waiting = [others.submit(engine.predict, GOOD), others.submit(begun)]
            with pytest.raises(ModelFailed):
                engine.predict(BAD)
            with pytest.raises(ModelFailed):
                engine.predict(BAD[1:])
            assert np.array_equal(engine.predict(GOOD)[0], expected)
            assert not any(each.done() for each in waiting)
        assert all(np.array_equal(each.result()[0], expected) for each in waiting)


def test_a_model_is_had_alone_once_what_was_begun_is_taken(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    done = threading.Event()

    def alone() -> None:
        with engine.alone():
            done.set()

    begun = engine.ask(GOOD)
    with ThreadPoolExecutor(1) as other:
        alone_at_last = other.submit(alone)
        eventually(lambda: engine._gate._alone is not None, "the other to wait until all are out")
        assert not done.is_set()
        begun()
        alone_at_last.result()
    engine.ask(GOOD)()
