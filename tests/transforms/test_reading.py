"""Each request is an image or a dead letter that says why; what passes by itself is waited out."""

from __future__ import annotations

import errno
import math
import os
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as BeamPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import FixedWindows, TimestampedValue

from models.errors import ImageFault
from models.images.decoding import DecodeLimits, decode_image
from models.images.paths import open_local
from models.records import DeadLetter, DecodedImage, ImageRequest, Origin
from tests import sample_images as samples
from transforms import image_bytes, metrics, reading
from transforms.process import RunHere
from transforms.reading import ImageReader, ReadImage, ReadImages, ReadOutcome

ORIGIN = Origin("7", "2026-01-02T03:04:05.000006Z", {"user": "me"})


def request(path: object) -> ImageRequest:
    return ImageRequest(str(path), ORIGIN)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, data in samples.valid_files().items():
        (tmp_path / name).write_bytes(data)
    return tmp_path.resolve()


def read(path: object, limits: DecodeLimits | None = None) -> DecodedImage | DeadLetter:
    reader = ImageReader((), limits or DecodeLimits())
    return reader.read_and_decode(request(path)).value


def fault_at(path: object, **options: Any) -> tuple[str, ImageFault]:
    letter = read(path, **options)
    assert isinstance(letter, DeadLetter)
    assert letter.image == str(path)
    assert letter.origin == ORIGIN
    assert letter.detail.isprintable()
    return letter.stage, letter.error


def name_and_pixels(image: DecodedImage) -> tuple[str, tuple[int, ...], bytes]:
    return Path(image.request.image).name, image.raster.pixels.shape, image.raster.pixels.tobytes()


def name_and_fault(letter: DeadLetter) -> tuple[str, str, str]:
    return Path(letter.image or "").name, letter.stage, str(letter.error)


def with_window(element: Any, window: Any = beam.DoFn.WindowParam, at: Any = beam.DoFn.TimestampParam) -> Any:
    image = element.request.image if isinstance(element, DecodedImage) else element.image
    return Path(image).name, int(window.start), float(at)


def small_need() -> tuple[int, int]:
    return (10, 10)


def test_one_bad_image_is_one_dead_letter_and_its_neighbours_go_on(images: Path) -> None:
    (images / "bad.png").write_bytes(samples.png_bomb())
    (images / "empty.png").write_bytes(b"")
    good = sorted(samples.valid_files())
    names = ["missing.png", *good, "bad.png", "empty.png"]
    pipeline = BeamPipeline()
    outputs = pipeline | beam.Create([request(images / name) for name in names]) | ReadImages([str(images)], threads=2)
    wanted = []
    for name in good:
        pixels = decode_image(samples.valid_files()[name], limits=DecodeLimits()).pixels
        wanted.append((name, pixels.shape, pixels.tobytes()))
    assert_that(
        outputs.images | "Move images" >> beam.Reshuffle() | beam.Map(name_and_pixels), equal_to(wanted), label="images"
    )
    letters = [
        ("missing.png", "read", "not_found"),
        ("bad.png", "decode", "too_large"),
        ("empty.png", "read", "empty_file"),
    ]
    found = outputs.dead_letters | "Move letters" >> beam.Reshuffle() | "Faults" >> beam.Map(name_and_fault)
    assert_that(found, equal_to(letters), label="letters")
    result = pipeline.run()
    result.wait_until_finish()
    counters = {c.key.metric.name: c.committed for c in result.metrics().query()["counters"]}
    assert counters[metrics.IMAGES_READ] == len(good) + 1
    assert counters["dead_letters_read_not_found"] == counters["dead_letters_decode_too_large"] == 1
    decoded = [d for d in result.metrics().query()["distributions"] if d.key.metric.name == metrics.DECODE_MS]
    assert decoded[0].committed.count == len(good)


def test_every_element_keeps_its_time_and_window(images: Path) -> None:
    names = ["photo.jpg", "missing.png", "photo.png", "long.png", "lost.png"] * 6
    stamped = [(request(images / name), 3 * at) for at, name in enumerate(names)]
    wanted = [(name, 3 * at // 10 * 10, 3.0 * at) for at, name in enumerate(names)]
    absent = ("missing.png", "lost.png")
    with BeamPipeline() as pipeline:
        requests = pipeline | beam.Create(stamped) | beam.MapTuple(TimestampedValue)
        outputs = requests | beam.WindowInto(FixedWindows(10)) | ReadImages(threads=2)
        for label, part in (("images", False), ("dead_letters", True)):
            assert_that(
                outputs[label] | f"Windows of {label}" >> beam.Map(with_window),
                equal_to([row for row in wanted if (row[0] in absent) == part]),
                label=label,
            )


def test_what_the_models_need_decides_how_large_images_come(images: Path) -> None:
    with BeamPipeline() as pipeline:
        outputs = pipeline | beam.Create([request(images / "photo.jpg")]) | ReadImages(needed=small_need)
        shapes = outputs.images | beam.Map(lambda image: image.raster.pixels.shape)
        assert_that(shapes, equal_to([(22, 32, 3)]))


def test_at_most_twice_the_threads_are_in_flight(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    going, most = [0], [0]

    class Pool:
        def submit(self, work: Callable[..., Any], one: ImageRequest) -> Any:
            going[0] += 1
            most[0] = max(most[0], going[0])
            return self

        def done(self) -> bool:
            return False

        def result(self) -> Any:
            going[0] -= 1
            return ReadOutcome(DeadLetter(None, b"", "read", ImageFault.NOT_FOUND, "", ORIGIN), 0, 0, 0, 0)

    monkeypatch.setattr(RunHere, "readers", lambda here, threads: Pool())
    fn = ReadImage(ImageReader((), DecodeLimits(), threads=3))
    fn.start_bundle()
    out = [output for _ in range(50) for output in fn.process(request("gs://bucket/x"), 0, None)]
    assert most[0] == 6
    assert len(out) + len(list(fn.finish_bundle())) == 50


@pytest.mark.parametrize(("quick_ms", "in_threads"), [(math.inf, 0), (-1.0, 64)])
def test_only_what_takes_longer_than_a_change_of_threads_goes_to_threads(
    images: Path, monkeypatch: pytest.MonkeyPatch, quick_ms: float, in_threads: int
) -> None:
    submitted = 0

    class Pool(ThreadPoolExecutor):
        def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
            nonlocal submitted
            submitted += 1
            return super().submit(work, *arguments, **named)

    with Pool(1) as pool:
        monkeypatch.setattr(RunHere, "readers", lambda here, threads: pool)
        fn = ReadImage(ImageReader((), DecodeLimits(), threads=3), quick_ms)
        fn.start_bundle()
        out = [output for _ in range(66) for output in fn.process(request(images / "photo.png"), 0, None)]
        out += fn.finish_bundle()

    assert len(out) == 66
    assert submitted == in_threads


def test_the_transform_is_small_to_pickle() -> None:
    fn = ReadImage(ImageReader(("/data",), DecodeLimits(), small_need))
    assert len(pickle.dumps(fn)) < 1000


def test_a_forbidden_path_is_told_at_the_stage_read(images: Path) -> None:
    reader = ImageReader((str(images / "sub"),), DecodeLimits())
    letter = reader.read_and_decode(request(images / "photo.jpg")).value
    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.error) == ("read", ImageFault.FORBIDDEN_PATH)


def test_a_file_above_the_limit_is_not_read(images: Path) -> None:
    with (images / "huge.png").open("wb") as file:
        file.truncate(1 << 40)
    assert fault_at(images / "huge.png") == ("read", ImageFault.TOO_LARGE)


@pytest.mark.parametrize("path", ["/proc/self/maps", "/proc/self/mem", "/proc/kmsg"])
def test_what_says_that_it_is_empty_is_not_read_and_keeps_nobody_waiting(path: str) -> None:
    stage, fault = fault_at(path)
    assert stage == "read"
    assert fault in (ImageFault.EMPTY_FILE, ImageFault.PERMISSION_DENIED)


def test_a_wrong_extension_does_not_matter(images: Path) -> None:
    for name in ("photo.gz", "photo.bz2", "photo.png", "photo"):
        (images / name).write_bytes(samples.valid_files()["photo.jpg"])
        assert isinstance(read(images / name), DecodedImage)


def test_an_unexpected_failure_is_a_dead_letter_with_its_type(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr(reading, "decode_image", fail)
    letter = read(images / "photo.jpg")
    assert isinstance(letter, DeadLetter)
    assert (letter.stage, letter.error, letter.detail) == ("decode", ImageFault.CORRUPT, "ZeroDivisionError: oh no")


class Disk:
    """Fails with each of `errors` in turn, then opens as the real one does."""

    def __init__(self, *errors: OSError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def open(self, path: str, prefixes: Sequence[str]) -> BinaryIO:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return open_local(path, prefixes)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Disk]:
    monkeypatch.setattr(image_bytes, "FIRST_DELAY_SECONDS", 0.001)

    def install(*errors: OSError) -> Disk:
        disk = Disk(*errors)
        monkeypatch.setattr(image_bytes, "open_local", disk.open)
        return disk

    return install


PASSING = [OSError(errno.EIO, "bad disk"), OSError(errno.ESTALE, "moved"), TimeoutError(), ConnectionResetError()]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_passing_failure_is_waited_out(images: Path, disk: Callable[..., Disk], error: OSError) -> None:
    failing = disk(error, error)
    outcome = ImageReader((), DecodeLimits()).read_and_decode(request(images / "photo.jpg"))
    assert isinstance(outcome.value, DecodedImage)
    assert (failing.calls, outcome.retries) == (3, 2)


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_a_failure_that_does_not_pass_is_unavailable(images: Path, disk: Callable[..., Disk], error: OSError) -> None:
    failing = disk(*[error] * 100)
    assert fault_at(images / "photo.jpg") == ("read", ImageFault.UNAVAILABLE)
    assert failing.calls == 5


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (PermissionError("no"), ImageFault.PERMISSION_DENIED),
        (FileNotFoundError("no"), ImageFault.NOT_FOUND),
        (IsADirectoryError("no"), ImageFault.NOT_A_FILE),
        (OSError(errno.ENXIO, "no"), ImageFault.UNAVAILABLE),
    ],
)
def test_a_lasting_failure_is_told_at_once(
    images: Path, disk: Callable[..., Disk], error: OSError, fault: ImageFault
) -> None:
    failing = disk(error)
    assert fault_at(images / "photo.jpg") == ("read", fault)
    assert failing.calls == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(images: Path) -> None:
    (images / "photo.jpg").chmod(0)
    assert fault_at(images / "photo.jpg") == ("read", ImageFault.PERMISSION_DENIED)
