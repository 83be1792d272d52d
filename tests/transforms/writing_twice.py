"""Writes numbered records to a folder, with a first file that is written and then fails its bundle.

`python -m tests.transforms.writing_twice FOLDER RECORDS`, in its own process: Beam keeps the credentials it found. The
DirectRunner tries a bundle that failed again; the second try finds what the first one left.
"""

from __future__ import annotations

import sys

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from transforms import metrics, new_files
from transforms.metrics import Meter
from transforms.process import JobRun
from transforms.sinks import WriteJson


class FailsOnce(Meter):
    """Loses the first bundle that has written, as a worker does that dies before it can say so."""

    def __init__(self) -> None:
        super().__init__()
        self.failed = False

    def count(self, name: str, amount: int = 1) -> None:
        if name == metrics.RESULTS_WRITTEN and not self.failed:
            self.failed = True
            raise RuntimeError("the worker died after it had written")
        super().count(name, amount)


def main(folder: str, records: int) -> None:
    """See above; prints how many records the run says it has written."""
    new_files.REMOTE_FILE_SECONDS = 1
    run = JobRun("writing twice")
    meter = run.here.meter = FailsOnce()
    options = PipelineOptions(["--runner=BundleBasedDirectRunner", "--streaming"])
    with beam.Pipeline(options=options) as pipeline:
        numbered = pipeline | beam.Create([{"message_id": str(n)} for n in range(records)])
        _ = numbered | WriteJson(path=folder, run=run)
    assert meter.failed
    print(meter.tally()[metrics.RESULTS_WRITTEN])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
