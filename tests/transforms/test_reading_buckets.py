"""An image in a bucket is read by one request of a client that a process has once, and its troubles are told apart."""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import google.auth
import google.auth.exceptions
import pytest
import requests
import urllib3
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage.exceptions import DataCorruption

from models.errors import ImageFault
from models.images.decoding import DecodeLimits
from models.records import DeadLetter, DecodedImage, ImageRequest, Origin
from models.storage import object_reader
from models.storage.errors import NoCredentials, StorageUnavailable
from models.storage.object_reader import ObjectReader
from tests import sample_images as samples
from tests.end_to_end.faulty_storage import Fault, FaultyStorage, faulty_storage
from tests.serving_http import serving
from tests.transforms.reading_costs import costs
from transforms import image_bytes
from transforms.process import JobRun
from transforms.reading import ImageReader, ReadOutcome

PHOTO = samples.valid_files()["photo.jpg"]
IMAGE = "gs://models-bucket/images/photo.jpg"
THREADS = 4


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStorage]:
    """A bucket with one photo, which every client in this process finds."""
    monkeypatch.setattr(image_bytes, "FIRST_DELAY_SECONDS", 0.001)
    with faulty_storage() as bucket:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.address)
        assert bucket.put("images/photo.jpg", PHOTO) == IMAGE
        yield bucket


@pytest.fixture
def reader() -> Iterator[ImageReader]:
    """Of a run that ends with the test."""
    run = JobRun(f"reading {uuid.uuid4()}")
    yield ImageReader((), DecodeLimits(), run=run, threads=THREADS)
    run.here.end()


def outcome(reader: ImageReader, image: str = IMAGE) -> ReadOutcome:
    return reader.read_and_decode(ImageRequest(image, Origin("7", "", {})))


def fault(reader: ImageReader, image: str = IMAGE) -> ImageFault:
    letter = outcome(reader, image).value
    assert isinstance(letter, DeadLetter)
    assert (letter.image, letter.stage) == (image, "read")
    assert letter.detail.isprintable()
    return letter.error


def test_each_image_is_one_request_and_threads_share_their_connections(
    bucket: FaultyStorage, reader: ImageReader
) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = list(threads.map(lambda _: outcome(reader), range(40)))

    assert all(isinstance(each.value, DecodedImage) for each in outcomes)
    assert len(bucket.requests) == 40
    assert all("alt=media" in request for request in bucket.requests)
    assert bucket.connections <= THREADS


def test_beams_way_takes_more_requests_and_several_times_the_processor() -> None:
    ours, beams = costs("ours"), costs("beam")

    assert ours.requests == 1
    assert ours.connections < 0.05
    assert beams.requests >= 2  # and one in the background, of which the last may be missed
    assert beams.cpu_ms > 2.5 * ours.cpu_ms


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_bucket_that_is_busy_is_asked_five_times(bucket: FaultyStorage, reader: ImageReader, status: int) -> None:
    bucket.faults["photo.jpg"] = Fault(status=status)

    assert fault(reader) is ImageFault.UNAVAILABLE
    assert len(bucket.requests) == 5


@pytest.mark.parametrize("passing", [Fault(status=503), Fault(cut=True)], ids=["busy", "cut off"])
def test_a_trouble_that_passes_costs_retries_alone(
    bucket: FaultyStorage, reader: ImageReader, passing: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.faults["photo.jpg"] = passing
    true_fault_for = bucket.fault_for

    def twice(path: str) -> Fault | None:
        if bucket.hits == 2:
            bucket.faults.clear()
        return true_fault_for(path)

    monkeypatch.setattr(bucket, "fault_for", twice)

    read = outcome(reader)
    assert isinstance(read.value, DecodedImage)
    assert (read.bytes_read, read.retries) == (len(PHOTO), 2)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (401, ImageFault.PERMISSION_DENIED),
        (403, ImageFault.PERMISSION_DENIED),
        (404, ImageFault.NOT_FOUND),
        (400, ImageFault.UNAVAILABLE),
    ],
)
def test_a_refusal_is_told_at_once(bucket: FaultyStorage, reader: ImageReader, status: int, word: ImageFault) -> None:
    bucket.faults["photo.jpg"] = Fault(status=status)

    assert fault(reader) is word
    assert len(bucket.requests) == 1


def test_an_object_or_a_bucket_that_is_not_there_is_not_found(bucket: FaultyStorage, reader: ImageReader) -> None:
    assert fault(reader, "gs://models-bucket/images/absent.jpg") is ImageFault.NOT_FOUND
    assert fault(reader, "gs://another-bucket/images/photo.jpg") is ImageFault.NOT_FOUND


def test_names_are_taken_as_they_are(bucket: FaultyStorage, reader: ImageReader) -> None:
    for name in ("a[1]*?.jpg", "50%25 #1.jpg", "ü/ö ä.jpg", "photo.jpg.gz"):
        assert isinstance(outcome(reader, bucket.put(name, PHOTO)).value, DecodedImage)


def test_an_object_over_the_limit_is_too_large_and_an_empty_one_empty(
    bucket: FaultyStorage, reader: ImageReader
) -> None:
    exact = reader._replace(limits=DecodeLimits(max_bytes=len(PHOTO)))
    assert isinstance(outcome(exact).value, DecodedImage)
    assert fault(reader._replace(limits=DecodeLimits(max_bytes=len(PHOTO) - 1))) is ImageFault.TOO_LARGE
    assert fault(reader, bucket.put("empty.jpg", b"")) is ImageFault.EMPTY_FILE


LOST = [
    ConnectionResetError(),
    TimeoutError(),
    requests.exceptions.ConnectionError("lost"),
    requests.exceptions.ReadTimeout("too slow"),
    requests.exceptions.ChunkedEncodingError("cut off"),
    urllib3.exceptions.ProtocolError("lost"),
    urllib3.exceptions.ReadTimeoutError(None, "", "too slow"),  # type: ignore[arg-type]
    google.auth.exceptions.TransportError("lost"),
    google.auth.exceptions.RefreshError("the metadata server is starting", retryable=True),
    DataCorruption(None, "checksum mismatch"),
]


def kind(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize("error", LOST, ids=kind)
def test_what_gets_lost_on_the_way_is_asked_for_again(
    bucket: FaultyStorage, reader: ImageReader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert asked(monkeypatch, reader, error) == 5


def test_credentials_that_are_refused_are_not_offered_again(
    bucket: FaultyStorage, reader: ImageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(monkeypatch, reader, google.auth.exceptions.RefreshError("invalid_grant")) == 1


def asked(monkeypatch: pytest.MonkeyPatch, reader: ImageReader, error: Exception) -> int:
    """How many times an image is asked for that is unavailable with this error."""
    calls = 0

    def fail(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        raise error

    monkeypatch.setattr(AuthorizedSession, "request", fail)
    assert fault(reader) is ImageFault.UNAVAILABLE
    return calls


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with serving(http):
        yield f"http://127.0.0.1:{http.server_port}"


def test_no_more_is_taken_in_than_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    def without_end(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(1 << 40))
        request.end_headers()
        try:
            while len(sent) < 4096:
                sent.append(request.wfile.write(bytes(1 << 16)))
        except OSError:
            request.close_connection = True

    with answering(without_end) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        reader = ObjectReader(1)
        assert len(reader.read("gs://bucket/endless", 1000)) == 1000
        reader.close()
    assert sum(sent) < 4096 << 16


def test_an_object_that_is_packed_comes_as_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(PHOTO)

    def stored_packed(request: BaseHTTPRequestHandler) -> None:
        assert request.headers["Accept-Encoding"] == "gzip"  # else Cloud Storage unpacks it itself
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)

    with answering(stored_packed) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        assert ObjectReader(1).read("gs://bucket/photo.jpg", 1 << 20) == packed


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, bucket: FaultyStorage) -> FaultyStorage:
    """The bucket for those who have no credentials and no emulator."""

    def none(**options: Any) -> Any:
        raise google.auth.exceptions.DefaultCredentialsError("none")

    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", bucket.address)
    monkeypatch.setattr(google.auth, "default", none)
    return bucket


def test_without_credentials_public_images_are_read(nobody: FaultyStorage, reader: ImageReader) -> None:
    assert isinstance(outcome(reader).value, DecodedImage)


def test_without_credentials_what_is_not_public_is_denied_and_the_remedy_told(
    nobody: FaultyStorage, reader: ImageReader
) -> None:
    nobody.faults["photo.jpg"] = Fault(status=401)

    letter = outcome(reader).value

    assert isinstance(letter, DeadLetter)
    assert letter.error is ImageFault.PERMISSION_DENIED
    assert "gcloud auth application-default login" in letter.detail
    assert len(nobody.requests) == 1


def test_credentials_that_were_not_there_are_looked_for_again(
    nobody: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    clock = [0.0]
    monkeypatch.setattr(object_reader, "monotonic", lambda: clock[0])
    monkeypatch.setattr(object_reader, "usable_credentials", lambda: looked.append(clock[0]))
    reader = ObjectReader(1)

    for clock[0] in (1000.0, 1059.0, 1061.0, 1062.0):
        reader.read(IMAGE, 1 << 20)

    assert looked == [1000.0, 1061.0]


def test_credentials_that_cannot_be_used_are_told(
    nobody: FaultyStorage, reader: ImageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**options: Any) -> Any:
        raise ValueError("no JSON")

    monkeypatch.setattr(google.auth, "default", broken)

    assert fault(reader) is ImageFault.UNAVAILABLE
    with pytest.raises(NoCredentials, match="cannot be used: no JSON"):
        ObjectReader(1).read(IMAGE, 1)
    assert issubclass(NoCredentials, StorageUnavailable)
    assert nobody.requests == []
