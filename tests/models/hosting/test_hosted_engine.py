"""A model in a process of its own: it answers as it would in this one, and whatever else it does harms nobody."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from models.engines.loading import load_engine
from models.errors import MachineFailed, ModelFailed, ModelGivenUp, ModelsClosed, ModelUnfit
from models.hosting import hosted_engine, lane, patience
from models.hosting.hosted_engine import Hosts
from tests.model_files import vetted_classifier
from tests.models.hosting.hosted import BAD, GOOD, WORDS, host_of, signal_host
from tests.models.vetting.processes import HOST, children
from tests.treacherous_models import TREACHERIES, endless, vetted_treachery
from tests.waiting import eventually


@pytest.mark.parametrize("images", [1, 5, 400])
def test_a_hosted_model_answers_as_it_does_in_this_process(tmp_path: Path, hosts: Hosts, images: int) -> None:
    artefact = vetted_classifier(tmp_path, classes=5, side=224).artefact
    batch = np.random.default_rng(7).random((images, 224, 224, 3), np.float32)
    (ours,), (theirs,) = (engine.predict(batch) for engine in (hosts.load(artefact, 2), load_engine(artefact, 2)))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("treachery", TREACHERIES)
def test_whatever_a_model_does_instead_of_answering_it_is_told_and_the_next_batch_is_answered(
    tmp_path: Path, hosts: Hosts, treachery: str
) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES[treachery]()).artefact, 1)
    (expected,) = engine.predict(GOOD)
    with pytest.raises(ModelFailed) as failed:
        engine.predict(BAD)
    assert failed.value.fault is WORDS[treachery]
    assert not isinstance(failed.value, ModelUnfit)
    assert np.array_equal(engine.predict(GOOD)[0], expected)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_a_host_that_is_killed_or_stopped_from_outside_costs_no_single_image(
    tmp_path: Path, hosts: Hosts, number: int
) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    (expected,) = engine.predict(GOOD[:1])
    assert hosts.restarts == 0
    signal_host(engine, number)
    assert np.array_equal(engine.predict(GOOD[:1])[0], expected)
    assert hosts.restarts >= 1


def test_an_image_in_the_company_of_one_that_kills_the_host_is_answered(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_treachery(tmp_path, TREACHERIES["crashes"]()).artefact, 1)
    (expected,) = engine.predict(GOOD)
    done = threading.Event()

    def keep_killing() -> int:
        killed = 0
        while not done.is_set():
            with pytest.raises(ModelFailed):
                engine.predict(BAD[1:])
            killed += 1
        return killed

    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(keep_killing)
        try:
            for _ in range(5):
                assert np.array_equal(engine.predict(GOOD)[0], expected)
        finally:
            done.set()
        assert killing.result()


def test_what_a_hostile_host_writes_is_numbers_and_a_line(tmp_path: Path, hosts: Hosts) -> None:
    vetted = vetted_classifier(tmp_path)
    ends = lane.Lane(vetted.artefact.manifest, 4)
    os.write(ends.hosts_ends.answered, b"\x1b[2Jgibberish\n")
    assert ends.answered(0)
    assert ends.answer() == "\x1b[2Jgibberish"
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(ends.hosts_ends.memory, 0)  # looking at what is no longer there would end the job
    ends.handed_over()
    ends.close()


def test_a_retired_model_ends_its_process_and_leaves_no_descriptor(tmp_path: Path, hosts: Hosts) -> None:
    artefact = vetted_classifier(tmp_path).artefact
    before = psutil.Process().num_fds()
    engine = hosts.load(artefact, 1)
    assert len(children(HOST)) == 1
    del engine
    assert children(HOST) == []
    assert psutil.Process().num_fds() <= before


def test_closing_lets_go_who_waits_for_a_model_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted_engine, "LEAST_SECONDS", 3600.0)
    monkeypatch.setattr(hosted_engine, "FIRST_SECONDS", 3600.0)
    hosts = Hosts()
    engine = hosts.load(vetted_treachery(tmp_path, endless()).artefact, 1)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(engine.predict, BAD)
        eventually(lambda: host_of(engine).cpu_percent(0.05) > 50, "the model to compute")
        hosts.close()
        with pytest.raises(ModelsClosed):
            asking.result(60)
    assert children(HOST) == []
    with pytest.raises(ModelsClosed):
        hosts.load(vetted_classifier(tmp_path / "another").artefact, 1)


def test_a_model_that_hangs_when_the_program_is_to_end_is_given_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_engine, "LEAST_SECONDS", 30.0)
    monkeypatch.setattr(patience, "LAST_SECONDS", 0.1)
    hosts = Hosts()
    engine = hosts.load(vetted_treachery(tmp_path, endless()).artefact, 1)
    engine.predict(GOOD)
    hosts.end_soon()
    engine.predict(GOOD)
    for _ in range(64):  # as many images as there may still be
        with pytest.raises(ModelGivenUp):
            engine.predict(BAD)
    assert children(HOST) == []
    hosts.close()


def test_a_model_that_is_gone_from_the_disk_or_broken_is_unfit(tmp_path: Path, hosts: Hosts) -> None:
    vetted = vetted_classifier(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(
        ModelUnfit, match=r"model_crashed: its process ended with exit code 1: .*INVALID_PROTOBUF"
    ) as no:
        hosts.load(vetted.artefact, 1)
    assert not isinstance(no.value, MachineFailed)
    assert children(HOST) == []


def test_a_host_ends_with_its_job(tmp_path: Path, hosts: Hosts) -> None:
    engine = hosts.load(vetted_classifier(tmp_path).artefact, 1)
    host = host_of(engine)
    assert engine._host._process.stdin is not None
    engine._host._process.stdin.close()
    host.wait(60)


def test_a_process_that_gets_no_processor_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def never(seconds: float) -> bool:
        asked.append(seconds)
        time.sleep(0.001)
        return False

    for starved, times in ((False, 1), (True, 6)):
        monkeypatch.setattr(patience, "_is_starved", lambda *_, starved=starved: starved)
        began = time.monotonic()
        assert not patience.Patience().wait(never, os.getpid(), 0.2)
        assert time.monotonic() - began >= times * 0.2
    assert asked
