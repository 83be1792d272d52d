"""Reads and decodes images, those of a bundle side by side in threads where that is worth it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.windowed_value import WindowedValue

from models.compute_threads import cores
from models.errors import ImageError, ImageFault, typed_line
from models.images.decoding import DecodeLimits, decode_image
from models.images.paths import resolve_image_path
from models.printable import logger
from models.records import DeadLetter, DecodedImage, ImageRequest, Stage
from transforms import metrics
from transforms.image_bytes import read_patiently
from transforms.outputs import DEAD_LETTERS
from transforms.process import THE_JOB, JobRun

_LOGGER = logger(__name__)

QUICK_MS = 0.5
"""What handing an image to a thread and back is worth: a tiny local file is read and decoded in less."""
_NEXT_LOOK = 32
"""Images that go to threads before another is tried without."""

Needed = Callable[[], "tuple[int, int] | None"]
"""Asked on the worker, once an image: the largest (height, width) that the models in use take, or None."""


def nothing_known() -> tuple[int, int] | None:
    """The need of no model: images are decoded as `decode_image` does for `needed=None`."""
    return None


def default_threads() -> int:
    """One thread a core, and a second each to wait for storage; at least 4, at most 32."""
    return min(32, max(4, 2 * cores()))


class ReadImages(beam.PTransform):
    """`ImageRequest` → `DecodedImage`; what cannot be read or decoded goes to the output `dead_letters`.

    Each element keeps its timestamp and window. Dead letters have stage `read` (the words of
    `resolve_image_path`, `empty_file`, `too_large` in bytes, `unavailable`) or `decode` (the words of
    `decode_image`). A read that fails for a passing reason is tried five times within about ten seconds.

    Args:
        prefixes: only images below one of these are read; all where empty.
        limits: what one image may cost.
        needed: see `Needed`; it must pickle, so a function of a module.
        exact: never decode at reduced size.
        threads: how many images of a run are read and decoded at once in this process; the first transform to ask
            decides. At most twice as many are in memory for each bundle being processed. Local images that take less
            than a change of threads get none.
        run: whose threads and counters they are.
    """

    def __init__(
        self,
        prefixes: Sequence[str] = (),
        limits: DecodeLimits | None = None,
        needed: Needed = nothing_known,
        exact: bool = False,
        threads: int | None = None,
        run: JobRun = THE_JOB,
    ) -> None:
        super().__init__()
        self._reader = ImageReader(tuple(prefixes), limits or DecodeLimits(), needed, exact, run, threads)

    def expand(self, requests: Any) -> Any:
        reading = beam.ParDo(ReadImage(self._reader))
        return requests | "Read and decode" >> reading.with_outputs(DEAD_LETTERS, main="images")


class ReadOutcome(NamedTuple):
    """What became of one request, and what it took; counted on the bundle's own thread."""

    value: DecodedImage | DeadLetter
    bytes_read: int
    retries: int
    read_ms: float
    decode_ms: float


class _Waiting(NamedTuple):
    future: Future[ReadOutcome]
    timestamp: Any
    window: Any


@beam.typehints.with_input_types(ImageRequest)
@beam.typehints.with_output_types(DecodedImage)
class ReadImage(beam.DoFn):
    """See `ReadImages`."""

    def __init__(self, reader: ImageReader, quick_ms: float = QUICK_MS) -> None:
        super().__init__()
        self._reader = reader
        self._quick_ms = quick_ms
        self._waiting: deque[_Waiting] = deque()
        self._for_threads = 0

    def default_label(self) -> str:
        """What running jobs know this step by; an update in place looks for it."""
        return "_ReadImage"

    def start_bundle(self) -> None:
        # A bundle that failed half-way leaves its own behind; it is processed anew.
        self._waiting.clear()
        self._for_threads = 0

    def process(
        self,
        request: ImageRequest,
        timestamp: Any = beam.DoFn.TimestampParam,
        window: Any = beam.DoFn.WindowParam,
    ) -> Iterator[Any]:
        if not self._for_threads and not request.image.startswith("gs://"):
            outcome = self._reader.read_and_decode(request)
            self._for_threads = _NEXT_LOOK if outcome.read_ms + outcome.decode_ms > self._quick_ms else 0
            yield self._counted(outcome, timestamp, window)
            return
        self._for_threads = max(0, self._for_threads - 1)
        threads = self._reader.side_by_side
        while self._waiting and (len(self._waiting) >= 2 * threads or self._waiting[0].future.done()):
            yield self._first_waiting()
        future = self._reader.run.here.readers(threads).submit(self._reader.read_and_decode, request)
        self._waiting.append(_Waiting(future, timestamp, window))

    def finish_bundle(self) -> Iterator[Any]:
        while self._waiting:
            yield self._first_waiting()

    def _first_waiting(self) -> Any:
        future, timestamp, window = self._waiting.popleft()
        return self._counted(future.result(), timestamp, window)

    def _counted(self, outcome: ReadOutcome, timestamp: Any, window: Any) -> Any:
        """What became of one image, counted, in the window it came in."""
        meter = self._reader.run.here.meter
        if outcome.retries:
            meter.count(metrics.READ_RETRIES, outcome.retries)
        windowed = WindowedValue(outcome.value, timestamp, (window,))
        if outcome.bytes_read:
            meter.count(metrics.IMAGES_READ)
            meter.count(metrics.BYTES_READ, outcome.bytes_read)
            meter.observe(metrics.READ_MS, outcome.read_ms)
        if isinstance(outcome.value, DeadLetter):
            meter.count_dead_letter(outcome.value.stage, outcome.value.error)
            return TaggedOutput(DEAD_LETTERS, windowed)
        meter.observe(metrics.DECODE_MS, outcome.decode_ms)
        return windowed


class ImageReader(NamedTuple):
    """Reads and decodes one image after the other; each attribute is the argument of `ReadImages` of that name."""

    prefixes: tuple[str, ...]
    limits: DecodeLimits
    needed: Needed = nothing_known
    exact: bool = False
    run: JobRun = THE_JOB
    threads: int | None = None

    @property
    def side_by_side(self) -> int:
        """How many images of a run are read at once in this process."""
        return self.threads or default_threads()

    def read_and_decode(self, request: ImageRequest) -> ReadOutcome:
        """What becomes of one request; raises nothing, whatever is wrong with it."""
        stage: Stage = "read"
        retries: list[object] = []
        size = 0
        started = read = time.perf_counter()
        try:
            path = resolve_image_path(request.image, self.prefixes)
            objects = self.run.here.objects(self.side_by_side)
            limit, on_retry = self.limits.max_bytes, lambda *about: retries.append(about)
            data = read_patiently(path, self.prefixes, limit, objects, on_retry)
            size, read, stage = len(data), time.perf_counter(), "decode"
            raster = decode_image(data, limits=self.limits, needed=self.needed(), exact=self.exact)
            value: DecodedImage | DeadLetter = DecodedImage(request, raster)
        except ImageError as error:
            value = DeadLetter(request.image, None, stage, error.fault, error.detail, request.origin)
        except Exception as error:
            _LOGGER.exception("unexpected failure with one image")
            fault = ImageFault.UNAVAILABLE if stage == "read" else ImageFault.CORRUPT
            value = DeadLetter(request.image, None, stage, fault, typed_line(error), request.origin)
        decoded = time.perf_counter()
        return ReadOutcome(value, size, len(retries), 1000 * (read - started), 1000 * (decoded - read))
