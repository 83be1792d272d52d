"""A file that this machine cannot open is left to others: the watch neither rejects it nor waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import watch as watching
from models.errors import KerasMissing
from models.reference import ModelReference
from models.registry.records import Accepted, Judgement
from models.registry.registry import Registry, Terms
from tests.models.watch_bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(watching, "SHORTEST_REST", 0.0005)
    bench = Bench(tmp_path)
    yield bench
    bench.watch.close()


def test_a_file_that_others_alone_can_open_is_left_to_them_and_told_of_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.vetter.troubles = [KerasMissing("Keras is not here")]
    keras = bench.drop("keras.h5", "keras", age=50)
    bench.until(lambda: not bench.vetter.troubles)
    bench.drop("other.h5", "good")
    bench.until(lambda: bench.stated() == "other.h5")  # although it is older, and at once
    bench.looks(20)

    assert bench.events_now() == [("accepted", "other.h5")]
    assert [name for name, _ in bench.vetter.read] == ["other.h5"]
    assert [each.message for each in caplog.records if "left to others" in each.message] == [
        f"{keras} is left to others: Keras is not here"
    ]


def test_what_others_say_of_a_file_that_was_left_to_them_counts(bench: Bench) -> None:
    bench.vetter.troubles = [KerasMissing("")]
    keras = bench.drop("keras.h5", "keras")
    bench.until(lambda: not bench.vetter.troubles)
    bench.looks()
    [file] = bench.storage.list(str(keras))
    others = Registry(bench.objects, bench.registry.pattern, Terms("auto", 10))
    assert others.claim(file)
    others.record(file, Judgement(file.uri, file.version, Accepted(ModelReference(file.uri, "0" * 64), "k")))

    bench.until(lambda: bench.stated() == "keras.h5")
    assert bench.vetter.read == []
    others.close()


def test_other_bytes_in_a_file_that_was_left_to_others_are_looked_at(bench: Bench) -> None:
    bench.vetter.troubles = [KerasMissing("")]
    bench.drop("m.h5", "keras")
    bench.until(lambda: not bench.vetter.troubles)
    bench.looks()
    bench.drop("m.h5", "good")
    bench.until(lambda: bench.stated() == "m.h5")
