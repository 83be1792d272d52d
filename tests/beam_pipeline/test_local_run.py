"""A local run that ends by itself has failed, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import apache_beam as beam
import pytest
from apache_beam.io import PubsubMessage

from beam_pipeline.options import parse_options
from beam_pipeline.running import LocalRun
from tests.waiting import eventually

BUNDLE_BASED = "apache_beam.runners.direct.direct_runner.BundleBasedDirectRunner"
"""Which the DirectRunner becomes for a graph that reads Pub/Sub; this one does not."""


class Fatal(beam.PTransform):
    """A source that ends the runner's one thread, as an error in the runner itself does."""

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        return begin | beam.Create([0]) | beam.Map(_die).with_output_types(PubsubMessage)


def _die(_: int) -> NoReturn:
    raise SystemExit("the runner is broken")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # which is how it ends
def test_a_runner_that_ends_by_itself_has_failed(tmp_path: Path) -> None:
    argv = ["--input_subscription=projects/my-project/subscriptions/sub", f"--runner={BUNDLE_BASED}"]
    argv += [f"--model_pattern={tmp_path}/*.h5", f"--output_path={tmp_path}/out", f"--model_cache={tmp_path}/cache"]
    options, job, _ = parse_options(argv)
    run = LocalRun(options, job, Fatal())
    try:
        run.start()
        eventually(lambda: run.failure is not None, "the run to fail")
    finally:
        run.close()

    assert run.failure_line() == "RuntimeError: the DirectRunner ended by itself; the traceback is above"
