"""A bounded run of Beam, timed from its first image to its last answer: the same around whatever classifies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import apache_beam as beam
import psutil
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks.ways import Timing

RUNNER = "FnApiRunner"
"""What the DirectRunner itself runs bounded pipelines on, where there is no Prism binary."""


class _Answers:
    """The classes of one run, and the moments of its first image and of its last answer, in this process.

    A pipeline begins by making its workers load the model, and ends when its runner next looks; a warm run is neither.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Begins a run."""
        with self._lock:
            self._began: tuple[float, float] | None = None
            self._ended = 0.0, 0.0
            self._hosts = _hosts_cpu()
            self._classes: list[int] = []

    def see(self, image: Any) -> Any:
        """Passes an image on."""
        if self._began is None:
            with self._lock:
                self._began = self._began or _clocks()
        return image

    def keep(self, index: int) -> None:
        """Takes in the class of one image."""
        self._classes.append(index)
        self._ended = _clocks()

    def timing(self, images: int) -> Timing:
        """The run, which must have answered all of its images."""
        assert self._began is not None
        assert len(self._classes) == images, f"{len(self._classes)} answers to {images} images"
        wall, cpu = (end - begin for begin, end in zip(self._began, self._ended, strict=True))
        return Timing(images, wall, cpu + _hosts_cpu() - self._hosts, self._classes[0])


def _hosts_cpu() -> float:
    """Seconds of CPU time of the processes that answer for this one."""
    times = [child.cpu_times() for child in psutil.Process().children()]
    return float(sum(each.user + each.system for each in times))


def _clocks() -> tuple[float, float]:
    """Seconds of the wall, and of this process' CPU time."""
    return time.perf_counter(), time.process_time()


_answers = _Answers()
"""Of this process: runners pickle functions, and a module's own name survives that."""


def classify(paths: list[str], classes: Callable[[beam.PCollection], beam.PCollection], bundles: int = 1) -> Timing:
    """One run over the images at `paths`.

    Args:
        paths: of the images, at least one for each bundle.
        classes: makes their classes of them, a whole number each.
        bundles: into how many they are dealt, all worked on at a time, as a worker's threads do.
    """
    _answers.forget()
    pipelines = [_pipeline(paths[number::bundles], classes) for number in range(bundles)]
    with ThreadPoolExecutor(bundles) as threads:
        for _ in threads.map(lambda pipeline: pipeline.run().wait_until_finish(), pipelines):
            pass
    return _answers.timing(len(paths))


def _pipeline(paths: list[str], classes: Callable[[beam.PCollection], beam.PCollection]) -> beam.Pipeline:
    pipeline = beam.Pipeline(RUNNER, PipelineOptions([]))
    images = pipeline | beam.Create(paths, reshuffle=False) | "Start" >> beam.Map(_see)
    _ = classes(images) | "Keep" >> beam.Map(_keep)
    return pipeline


def _see(image: Any) -> Any:
    return _answers.see(image)


def _keep(index: int) -> None:
    _answers.keep(index)
