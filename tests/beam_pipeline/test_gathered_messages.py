"""Where no gate gathers messages, the graph does."""

from __future__ import annotations

import apache_beam as beam
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from beam_pipeline.options import parse_options
from beam_pipeline.source import GatheredMessages
from launch.pubsub_emulator import PubSubEmulator
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC
from tests.waiting import eventually
from transforms import windowing

_bundles: list[list[bytes]] = []


class Note(beam.DoFn):
    """Notes the messages of each bundle."""

    def start_bundle(self) -> None:
        self._read: list[bytes] = []

    def process(self, message: beam.io.PubsubMessage) -> None:
        self._read.append(message.data)

    def finish_bundle(self) -> None:
        if self._read:
            _bundles.append(self._read)


def test_without_a_gate_the_graph_makes_one_bundle_of_many_pulls(
    emulator: PubSubEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windowing, "GATHER_SECONDS", 2.0)
    images = [f"{number}.png".encode() for number in range(25)]
    for image in images:
        emulator.publish(TOPIC, image)
    _, job, _ = parse_options([f"--input_subscription={SUBSCRIPTION}", "--model_pattern=x/*.h5", "--output_path=x"])
    pipeline = beam.Pipeline(options=PipelineOptions(["--streaming"]))
    _ = pipeline | GatheredMessages(job) | beam.ParDo(Note())

    result = pipeline.run()
    try:
        eventually(lambda: sum(map(len, _bundles)) >= len(images), "every message")
    finally:
        result.cancel()

    [bundle] = _bundles
    assert sorted(bundle) == sorted(images)
