"""Reads and decodes images, those of a bundle side by side in threads where that is worth it."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils import retry
from apache_beam.utils.windowed_value import WindowedValue

from models.compute_threads import cores
from models.errors import ImageError, ImageFault, typed_line
from models.image_decoding import DecodeLimits, decode_image
from transforms import metrics
from transforms.image_paths import resolve_image_path
from transforms.messages import DEAD_LETTERS
from transforms.records import DeadLetter, DecodedImage, ImageRequest, Stage

_LOGGER = logging.getLogger(__name__)

_READ_ATTEMPTS = 5
_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 5.0

_QUICK_MS = 0.5
"""What handing an image to a thread and back is worth: a tiny local file is read and decoded in less."""
_NEXT_LOOK = 32
"""Images that go to threads before another is tried without."""

_TRANSIENT_ERRNOS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EINTR,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)
#: Told by name, so that reading local files imports no cloud client: `requests`, `urllib3` and `google.auth`.
_TRANSIENT_NAMES = frozenset({"ChunkedEncodingError", "ProtocolError", "RetryError", "Timeout", "TransportError"})

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
        threads: how many images are read and decoded at once in this process; the first transform to run
            decides. At most twice as many are in memory for each bundle being processed. Local images that take
            less than a change of threads get none.
    """

    def __init__(
        self,
        prefixes: Sequence[str] = (),
        limits: DecodeLimits | None = None,
        needed: Needed = nothing_known,
        exact: bool = False,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self._reader = _Reader(tuple(prefixes), limits or DecodeLimits(), needed, exact)
        self._threads = threads

    def expand(self, requests: Any) -> Any:
        reading = beam.ParDo(_ReadImage(self._reader, self._threads))
        return requests | "Read and decode" >> reading.with_outputs(DEAD_LETTERS, main="images")


class _Outcome(NamedTuple):
    """What became of one request, and what it took; counted on the bundle's own thread."""

    value: DecodedImage | DeadLetter
    bytes_read: int
    retries: int
    read_ms: float
    decode_ms: float


class _Waiting(NamedTuple):
    future: Future[_Outcome]
    timestamp: Any
    window: Any


@beam.typehints.with_input_types(ImageRequest)
@beam.typehints.with_output_types(DecodedImage)
class _ReadImage(beam.DoFn):
    def __init__(self, reader: _Reader, threads: int | None) -> None:
        super().__init__()
        self._reader = reader
        self._threads = threads
        self._waiting: deque[_Waiting] = deque()
        self._for_threads = 0

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
            self._for_threads = _NEXT_LOOK if outcome.read_ms + outcome.decode_ms > _QUICK_MS else 0
            yield _counted(outcome, timestamp, window)
            return
        self._for_threads = max(0, self._for_threads - 1)
        threads = self._threads or default_threads()
        while self._waiting and (len(self._waiting) >= 2 * threads or self._waiting[0].future.done()):
            yield self._first_waiting()
        future = _pool(threads).submit(self._reader.read_and_decode, request)
        self._waiting.append(_Waiting(future, timestamp, window))

    def finish_bundle(self) -> Iterator[Any]:
        while self._waiting:
            yield self._first_waiting()

    def _first_waiting(self) -> Any:
        future, timestamp, window = self._waiting.popleft()
        return _counted(future.result(), timestamp, window)


def _counted(outcome: _Outcome, timestamp: Any, window: Any) -> Any:
    """What became of one image, counted, in the window it came in."""
    if outcome.retries:
        metrics.count(metrics.READ_RETRIES, outcome.retries)
    windowed = WindowedValue(outcome.value, timestamp, (window,))
    if outcome.bytes_read:
        metrics.count(metrics.IMAGES_READ)
        metrics.count(metrics.BYTES_READ, outcome.bytes_read)
        metrics.observe(metrics.READ_MS, outcome.read_ms)
    if isinstance(outcome.value, DeadLetter):
        metrics.count_dead_letter(outcome.value.stage, outcome.value.error)
        return TaggedOutput(DEAD_LETTERS, windowed)
    metrics.observe(metrics.DECODE_MS, outcome.decode_ms)
    return windowed


_pool_lock = threading.Lock()
_shared_pool: ThreadPoolExecutor | None = None


def _pool(threads: int) -> ThreadPoolExecutor:
    """The threads of this process: the DirectRunner makes a new DoFn for every bundle of ten."""
    global _shared_pool
    with _pool_lock:
        if _shared_pool is None:
            _shared_pool = ThreadPoolExecutor(threads, thread_name_prefix="read-image")
        return _shared_pool


class _Reader(NamedTuple):
    prefixes: tuple[str, ...]
    limits: DecodeLimits
    needed: Needed
    exact: bool

    def read_and_decode(self, request: ImageRequest) -> _Outcome:
        """What becomes of one request; raises nothing, whatever is wrong with it."""
        stage: Stage = "read"
        retries: list[object] = []
        size = 0
        started = read = time.perf_counter()
        try:
            path = resolve_image_path(request.image, self.prefixes)
            data = _read_patiently(path, self.limits.max_bytes, lambda *about: retries.append(about))
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
        return _Outcome(value, size, len(retries), 1000 * (read - started), 1000 * (decoded - read))


def _read_patiently(path: str, max_bytes: int, on_retry: Callable[..., None]) -> bytes:
    """The bytes of the file at `path`; `on_retry` is called before each further try.

    Raises:
        ImageError: why they cannot be had; `unavailable` once waiting has not helped.
    """
    patiently = retry.with_exponential_backoff(
        num_retries=_READ_ATTEMPTS - 1,
        initial_delay_secs=_FIRST_DELAY_SECONDS,
        max_delay_secs=_LONGEST_DELAY_SECONDS,
        retry_filter=_is_transient,
        logger=on_retry,
    )(_read)
    try:
        data: bytes = patiently(path, max_bytes)
    except ImageError:
        raise
    except Exception as error:
        raise _read_error(error) from error
    return data


def _read(path: str, max_bytes: int) -> bytes:
    size = Path(path).stat().st_size if path.startswith("/") else max_bytes
    if size > max_bytes:
        raise ImageError(ImageFault.TOO_LARGE, f"{size} bytes; the limit is {max_bytes}")
    # Named as it is: by default Beam would unpack a file that is called .gz.
    with FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        data: bytes = file.read(size + 1)  # a buffer of that size is made, however little there is
        if size < len(data) <= max_bytes:  # it has grown
            data += file.read(max_bytes + 1 - len(data))
    if len(data) > max_bytes:
        raise ImageError(ImageFault.TOO_LARGE, f"more than {max_bytes} bytes")
    if not data:
        raise ImageError(ImageFault.EMPTY_FILE, "the file has no bytes")
    return data


def _cause(error: BaseException) -> BaseException:
    """What Beam wrapped: it hides a storage client's own error in the details of a `BeamIOError`."""
    details = error.exception_details if isinstance(error, BeamIOError) else None
    causes = [cause for cause in (details or {}).values() if isinstance(cause, BaseException)]
    return causes[0] if causes else error


def _http_status(error: BaseException) -> int | None:
    for name in ("code", "status_code"):
        status = getattr(error, name, None)
        if isinstance(status, int):
            return int(status)
    return None


def _is_transient(error: BaseException) -> bool:
    """Whether another try may help: 408, 429, any 5xx, timeouts, lost connections, a busy file system."""
    error = _cause(error)
    status = _http_status(error)
    if status is not None:
        return status in (408, 429) or status >= 500
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS:
        return True
    return any(kind.__name__ in _TRANSIENT_NAMES or kind.__name__ == "ConnectionError" for kind in type(error).__mro__)


def _read_error(error: Exception) -> ImageError:
    cause = _cause(error)
    status = _http_status(cause)
    if status == 404 or isinstance(cause, FileNotFoundError):
        return ImageError(ImageFault.NOT_FOUND, typed_line(cause))
    if status in (401, 403) or isinstance(cause, PermissionError):
        return ImageError(ImageFault.PERMISSION_DENIED, typed_line(cause))
    if isinstance(cause, IsADirectoryError):
        return ImageError(ImageFault.NOT_A_FILE, typed_line(cause))
    return ImageError(ImageFault.UNAVAILABLE, typed_line(cause))
