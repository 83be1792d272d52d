"""One truth for a fleet: tickers that know nothing, workers without the file, a registry that somebody damages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.answering import answers
from models.images.decoding import Raster
from models.json_lines import whole_records
from models.reference import Statement
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.tasks import Ranked
from tests.end_to_end.sdk_worker_process import SdkWorkerProcess, job_for_workers
from tests.end_to_end.telling_models import SIDE, drop, telling_model, untrue
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.waiting import eventually

LOOK_SECONDS = 60.0
Ticker = Callable[[str], Serving]
Worker = Callable[[str], SdkWorkerProcess]


@pytest.fixture
def ticker(world: Path) -> Iterator[Ticker]:
    """Starts a process of the fleet that the runner's clock may ask, on a machine of its own."""
    with contextlib.ExitStack() as closing:

        def start(machine: str) -> Serving:
            config = ServingConfig(
                f"{world}/models/*.onnx",
                0.2,
                "onnx",
                cache_folder=str(world / machine),
                registry=str(world / "registry"),
                alone=False,
            )
            return closing.enter_context(contextlib.closing(Serving(config, AnyStorage())))

        yield start


@pytest.fixture
def worker(world: Path) -> Iterator[Worker]:
    """Starts a real SDK worker process of the fleet, on a machine of its own."""
    with contextlib.ExitStack() as closing:

        def start(machine: str) -> SdkWorkerProcess:
            job = job_for_workers(world, world / machine, f"--registry={world}/registry")
            started = SdkWorkerProcess(job)
            closing.callback(started.close)
            return started

        yield start


def states(asked: Serving, name: str) -> Statement:
    """What the fleet's clock gets from a process, once it is this model."""

    def stated() -> Statement | None:
        statement = asked.watch.fresh_statement(LOOK_SECONDS)
        return statement if statement and statement.reference.file_name == name else None

    found = eventually(stated, f"{name} is stated")
    assert found is not None
    return found


def no_vetting(asked: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(uri: str) -> None:
        raise AssertionError(f"{uri} is vetted again")

    monkeypatch.setattr(asked.vetter, "vet", refuse)


def test_a_process_that_has_never_looked_states_what_the_fleet_knows_and_vets_nothing(
    world: Path, ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(world / "models", "older")
    first = ticker("one")
    states(first, "older")
    drop(world / "models", "newer")
    stated = states(first, "newer")

    newcomer = ticker("two")
    no_vetting(newcomer, monkeypatch)
    assert newcomer.watch.fresh_statement(LOOK_SECONDS) == stated
    assert newcomer.events.counts()["accepted"] == 0


def test_a_new_worker_answers_by_a_model_whose_file_is_gone(world: Path, ticker: Ticker, worker: Worker) -> None:
    ids = {"only": drop(world / "models", "only")}
    stated = states(ticker("one"), "only")
    (world / "models/only.onnx").unlink()

    newcomer = worker("two")
    newcomer.give(str(world / "image.png"), ["1", "2"], stated)

    results = whole_records(world / "results.jsonl")
    assert [result["message_id"] for result in results] == ["1", "2"]
    assert untrue(results, ids) == []


def test_a_deleted_model_gives_way_for_the_whole_fleet_at_once(world: Path, ticker: Ticker) -> None:
    drop(world / "models", "older")
    first, second = ticker("one"), ticker("two")
    before = states(first, "older")
    drop(world / "models", "newer")
    states(first, "newer")
    (world / "models/newer.onnx").unlink()
    back = states(second, "older")
    assert back.reference == before.reference
    assert back.epoch == before.epoch + 2
    assert first.watch.fresh_statement(LOOK_SECONDS) == back


def test_in_an_emptied_folder_nobody_moves_the_pointer_whatever_each_remembers(world: Path, ticker: Ticker) -> None:
    first, second = ticker("one"), ticker("two")
    drop(world / "models", "older")
    states(first, "older")
    (world / "models/older.onnx").unlink()
    drop(world / "models", "newer")
    live = states(second, "newer")
    (world / "models/newer.onnx").unlink()
    for asked in (first, second) * 2:
        assert asked.watch.fresh_statement(LOOK_SECONDS) == live


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "flipped": lambda path: path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes())),
    "huge": lambda path: path.write_bytes(b" " * (3 << 20)),
    "somebody else's JSON": lambda path: path.write_bytes(b'{"format": 1, "uri": [], "changes": {}}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_registry_stops_no_stream_and_the_next_model_goes_live(
    world: Path, ticker: Ticker, worker: Worker, damage: Callable[[Path], Any]
) -> None:
    ids = {"first": drop(world / "models", "first")}
    watching, answering, numbers = ticker("one"), worker("two"), count()
    given: list[str] = []

    def bundle(sees: Statement) -> list[str]:
        messages = [str(next(numbers)) for _ in range(3)]
        given.extend(messages)
        answering.give(str(world / "image.png"), messages, sees)
        return [r["label"] for r in whole_records(world / "results.jsonl") if r["message_id"] in messages]

    assert bundle(states(watching, "first")) == ["first"] * 3
    for path in [path for path in (world / "registry").rglob("*") if path.is_file()]:
        damage(path)
    assert bundle(states(watching, "first")) == ["first"] * 3

    ids["second"] = drop(world / "models", "second")
    stated = states(watching, "second")
    eventually(lambda: bundle(stated) == ["second"] * 3, "the second model answers")
    assert untrue(whole_records(world / "results.jsonl"), ids) == []
    assert sorted(r["message_id"] for r in whole_records(world / "results.jsonl")) == sorted(given)

    newcomer = worker("three")
    newcomer.give(str(world / "image.png"), ["last"], stated)
    assert whole_records(world / "results.jsonl")[-1]["label"] == "second"


def test_a_worker_that_remembers_puts_a_lost_pointer_right(world: Path, ticker: Ticker) -> None:
    drop(world / "models", "only")
    stated = states(ticker("one"), "only")
    follower = ticker("two")
    follower.follow(Statement(stated.reference, 7))
    for path in (world / "registry/live").iterdir():
        path.unlink()
    begun_anew = states(ticker("three"), "only")
    assert begun_anew.epoch == 1

    def told() -> bool:
        follower.follow(begun_anew)
        return pointer_epoch(follower) == 8

    eventually(told, "the registry is told")
    assert ticker("four").watch.fresh_statement(LOOK_SECONDS) == Statement(stated.reference, 8)


def pointer_epoch(asked: Serving) -> int:
    statement = asked.watch.statement
    return statement.epoch if statement else 0


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


def test_a_registry_in_a_bucket_serves_machines_that_share_nothing_else(
    bucket: StorageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def machine(name: str) -> Serving:
        config = ServingConfig(
            f"gs://{BUCKET}/models/*.onnx",
            0.2,
            "onnx",
            cache_folder=str(tmp_path / name),
            registry=f"gs://{BUCKET}/hotswap/registry",
            alone=False,
        )
        return Serving(config, AnyStorage())

    bucket.put("models/first.onnx", telling_model("first"))
    with contextlib.closing(machine("one")) as one:
        stated = states(one, "first")
    bucket.delete("models/first.onnx")
    with contextlib.closing(machine("two")) as two:
        no_vetting(two, monkeypatch)
        assert two.watch.fresh_statement(LOOK_SECONDS) == stated
        two.follow(stated)
        [answer] = answers(two.live.current(), [Raster(np.zeros((SIDE, SIDE, 3), np.uint8))])
        assert isinstance(answer, Ranked)
        assert answer.top[0].label == "first"
