"""What Prometheus reads is what happened: held against a real core, and parsed as Prometheus would."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from models.errors import ImageFault
from models.events import EventKind, ModelEvent
from models.reference import ModelReference
from serving.admission import Room
from serving.asking import Answer, Asked, Code, Refused, Spent
from serving.metrics import Metrics, Standing
from tests.model_files import nan_output, newer, tiny_classifier
from tests.sample_images import plain
from tests.serving.running_core import PROTOCOL, RunningCore, running_core

STANDING = Standing(True, "m@sha256:0123456789ab", 1, 3, 256, 99, 1000, 2)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCore]:
    """With one live model."""
    folder = tmp_path_factory.mktemp("metrics")
    with running_core(folder / "models", folder / "cache", room=Room(images=8)) as running:
        running.await_live(tiny_classifier(running.models / "first.onnx"))
        yield running


def series(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def answer(model_id: str) -> Answer:
    uri, _, digest = model_id.partition("@sha256:")
    return Answer(ModelReference(uri, digest.ljust(64, "0")), {}, Spent(0.002, 0.03, 0.2, 4, 0.0))


def test_an_answer_is_counted_for_the_model_that_made_it(running: RunningCore) -> None:
    before = running.metric(f'hotswap_images_total{{model_id="{_live(running)}",protocol="{PROTOCOL}"}}')
    told = running.ask(plain(), plain(9)).reference.model_id
    labels = f'model_id="{told}",protocol="{PROTOCOL}"'

    assert running.metric(f"hotswap_images_total{{{labels}}}") == before + 2
    assert running.metric(f"hotswap_request_seconds_count{{{labels}}}") >= 1
    assert running.metric(f'hotswap_batch_images_count{{model_id="{told}"}}') >= 1
    for step in ("decode", "queue", "compute"):
        assert running.metric(f'hotswap_step_seconds_count{{model_id="{told}",step="{step}"}}') >= 1


def _live(running: RunningCore) -> str:
    live = running.core.live
    assert live is not None
    return live.reference.model_id


def test_an_image_at_fault_is_counted_by_the_word_of_its_dead_letter(running: RunningCore) -> None:
    faults = 'hotswap_image_faults_total{error="not_an_image"}'
    refusals = f'hotswap_refused_total{{code="INVALID_ARGUMENT",protocol="{PROTOCOL}"}}'
    before = running.metric(faults), running.metric(refusals)
    with pytest.raises(Refused):
        running.ask(b"no image")
    assert (running.metric(faults), running.metric(refusals)) == (before[0] + 1, before[1] + 1)


def test_a_refusal_is_counted_once_whoever_tells_of_it(running: RunningCore) -> None:
    refusals = f'hotswap_refused_total{{code="NOT_FOUND",protocol="{PROTOCOL}"}}'
    before = running.metric(refusals)
    refused = Refused(Code.NOT_FOUND, "there is no such model")
    for _ in range(2):
        running.core.refused(refused, PROTOCOL)
    assert running.metric(refusals) == before + 1


def test_a_client_that_goes_away_is_counted(running: RunningCore) -> None:
    async def leave() -> None:
        asked = asyncio.create_task(running.core.answer(Asked([plain()] * 8), PROTOCOL))
        await asyncio.sleep(0)
        assert running.metric("hotswap_queue_images") == 8
        as_the_model_takes_it = 8 * 8 * 3 * 4
        assert running.metric("hotswap_queue_bytes") == 8 * (len(plain()) + as_the_model_takes_it)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    abandoned = f'hotswap_abandoned_total{{protocol="{PROTOCOL}"}}'
    before = running.metric(abandoned)
    running.run(leave())
    assert running.metric(abandoned) == before + 1
    assert running.metric("hotswap_queue_images") == 0


def test_what_happened_to_models_is_told(tmp_path: Path) -> None:
    with running_core(tmp_path / "models", tmp_path / "cache") as running:
        assert running.metric("hotswap_ready") == 0
        first = tiny_classifier(running.models / "first.onnx")
        running.await_live(first)
        second = newer(tiny_classifier(running.models / "second.onnx", favours=2), first)
        live = running.await_live(second)
        newer(nan_output(running.models / "bad.onnx"), second)
        running.await_state("bad.onnx", running.core.statuses.all()[0].state.END)

        assert running.metric("hotswap_ready") == 1
        assert running.metric("hotswap_swaps_total") == 1
        assert running.metric("hotswap_last_swap_timestamp_seconds") > 1.7e9
        assert running.metric(f'hotswap_live_model{{model_id="{live}"}}') == 1
        assert running.metric('hotswap_models_rejected_total{reason="non_finite_output"}') == 1
        assert running.metric('hotswap_model_seconds_count{step="load"}') == 2
        assert running.metric('hotswap_model_seconds_count{step="vet"}') == 3
        assert running.metric("hotswap_children_memory_bytes") > 1 << 20
        assert running.metric("process_resident_memory_bytes") > 1 << 20
    assert running.metric("hotswap_ready") == 0


def test_however_many_models_and_words_come_series_stay_few() -> None:
    metrics = Metrics(lambda: STANDING)
    for number in range(100):
        metrics.answered(answer(f"m{number}@sha256:{number:012x}"), 1, PROTOCOL, 0.1)
        metrics.batched(f"m{number}@sha256:{number:012x}", 4)
        kinds: tuple[EventKind, ...] = ("accepted", "live", "retired")
        metrics.take_in(ModelEvent(kind, f"m{number}@sha256:{number:012x}", "m") for kind in kinds)
        metrics.take_in([ModelEvent("rejected", "m", "m", f"word{number}: a stranger's")])
    found = series(metrics)

    assert len(found) < 1000
    assert len({labels for name, labels in found if name == "hotswap_images_total"}) == 8
    assert ("hotswap_images_total", (("model_id", "m99@sha256:000000000063"), ("protocol", PROTOCOL))) in found
    assert found["hotswap_models_rejected_total", (("reason", "other"),)] == 100
    assert found["hotswap_swaps_total", ()] == 99


def test_a_model_that_comes_back_after_it_was_forgotten_is_told_again() -> None:
    metrics = Metrics(lambda: STANDING)
    for number in (*range(10), 0):
        metrics.answered(answer(f"m@sha256:{number:012x}"), 1, PROTOCOL, 0.1)
    assert series(metrics)["hotswap_images_total", (("model_id", "m@sha256:" + "0" * 12), ("protocol", PROTOCOL))] == 1


def test_where_the_time_went_adds_up() -> None:
    metrics = Metrics(lambda: STANDING)
    metrics.answered(answer("m@sha256:0123456789ab"), 4, PROTOCOL, 0.232)
    found = series(metrics)
    sums = [value for (name, _), value in found.items() if name == "hotswap_step_seconds_sum"]
    assert math.isclose(sum(sums), 0.232)


def test_names_of_strangers_break_no_line() -> None:
    metrics = Metrics(lambda: STANDING._replace(live='/m/"\n} 7\\@sha256:0123456789ab'))
    metrics.refused(Refused(Code.INVALID_ARGUMENT, "", ImageFault.TRUNCATED), PROTOCOL)
    live = [labels for name, labels in series(metrics) if name == "hotswap_live_model"]
    assert live == [(("model_id", '/m/"\n} 7\\@sha256:0123456789ab'),)]


def test_no_series_is_doubled_by_when_it_was_made() -> None:
    metrics = Metrics(lambda: STANDING)
    metrics.answered(answer("m@sha256:0123456789ab"), 1, PROTOCOL, np.float64(0.1))
    assert not [name for name, _ in series(metrics) if name.endswith("_created")]
