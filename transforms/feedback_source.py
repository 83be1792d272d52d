"""Where true labels come from: a subscription beside the one of images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.io import PubsubMessage
from apache_beam.io.gcp.pubsub import ReadFromPubSub
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from transforms.process import THE_JOB, JobRun
from transforms.windowing import SideInputMode, WatermarkAlone

_TAKE_SECONDS = 0.5


class ReadFeedback(beam.PTransform):
    """The `PubsubMessage`s of a subscription, beside the job's messages, to which this is applied.

    The DirectRunner pulls on its one thread, and Pub/Sub lets a pull wait while there is nothing: labels that seldom
    come would hold up the images. So there the process pulls from a thread of its own, and the graph takes what was
    pulled twice a second, by the watermark of the job's messages.

    Args:
        subscription: `projects/P/subscriptions/S`.
        mode: how the runner must be given side inputs; the DirectRunner's is `WINDOWED`.
        run: whose process pulls.
    """

    def __init__(self, subscription: str, mode: SideInputMode, run: JobRun = THE_JOB) -> None:
        super().__init__()
        self._subscription = subscription
        self._mode = mode
        self._run = run

    def expand(self, messages: beam.PCollection) -> beam.PCollection:
        if self._mode is SideInputMode.TRIGGERED:
            return messages.pipeline | "Read" >> ReadFromPubSub(subscription=self._subscription, with_attributes=True)
        return (
            messages
            | "Clock" >> WatermarkAlone()
            | "Take" >> beam.ParDo(_Take(self._run, self._subscription)).with_output_types(PubsubMessage)
        )


class _Take(beam.DoFn):
    TICK = TimerSpec("tick", TimeDomain.WATERMARK)

    def __init__(self, run: JobRun, subscription: str) -> None:
        super().__init__()
        self._run = run
        self._subscription = subscription

    def process(self, element: tuple[str, str], tick: Any = beam.DoFn.TimerParam(TICK)) -> None:
        self._run.here.pulled(self._subscription)  # begins to pull
        tick.set(Timestamp.of(time.time()))

    @on_timer(TICK)
    def take(self, tick: Any = beam.DoFn.TimerParam(TICK)) -> Iterator[PubsubMessage]:
        tick.set(Timestamp.of(time.time() + _TAKE_SECONDS))
        for each in self._run.here.pulled(self._subscription).take():
            yield PubsubMessage(each.data, dict(each.attributes), message_id=each.message_id)
