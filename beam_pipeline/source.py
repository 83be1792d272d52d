"""Where the job's messages come from."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.io.gcp.pubsub import ReadFromPubSub

from beam_pipeline.option_table import JobOptions
from transforms.windowing import Gather


def pubsub_source(job: JobOptions) -> beam.PTransform:
    """Reads the subscription or topic that the options name."""
    return ReadFromPubSub(topic=job.input_topic, subscription=job.input_subscription, with_attributes=True)


class GatheredMessages(beam.PTransform):
    """`pubsub_source` as the DirectRunner needs it where no gate gathers what it reads."""

    def __init__(self, job: JobOptions) -> None:
        super().__init__()
        self._job = job

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return begin | "Pull" >> pubsub_source(self._job) | "Gather" >> Gather()
