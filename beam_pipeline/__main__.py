"""`python -m beam_pipeline`: runs the job on the DirectRunner, or submits it to another runner."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence

import apache_beam as beam

from beam_pipeline.options import OptionError, parse_options
from beam_pipeline.pipeline import build
from beam_pipeline.running import LocalRun, pubsub_source, stop_requests
from transforms.windowing import SideInputMode

_LOGGER = logging.getLogger("hotswap")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs or submits the job; returns the exit code."""
    try:
        options, job, mode = parse_options(sys.argv[1:] if argv is None else argv)
    except OptionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if not job.image_prefixes:
        _LOGGER.warning("no --image_prefix: every path that a message names is read, if this job may read it")
    if mode is SideInputMode.TRIGGERED:
        pipeline = beam.Pipeline(options=options)
        build(pipeline, pubsub_source(job), job, mode)
        pipeline.run()
        return 0
    return _run_here(LocalRun(options, job))


def _run_here(run: LocalRun) -> int:
    with stop_requests() as stop_requested:
        while run.failure is None and not stop_requested():
            time.sleep(0.2)
        if run.failure is None:
            _LOGGER.info("stopping: finishing what was read")
        books = run.drain(lambda books: True, seconds=10)
        run.close()
    _LOGGER.info("books: %s", books)
    if run.failure is not None:
        print(f"error: the job failed: {run.failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
