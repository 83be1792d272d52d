"""A fleet's shared folder of compiled models: it saves work, and its trouble stops nothing."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models.registry import shared
from models.registry.cache import ArtefactCache
from models.registry.shared import SharedArtefacts
from models.storage import ReadableFile
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter
from tests.model_files import tiny_classifier
from transforms.beam_storage import BeamStorage


class Counting(BeamStorage):
    """A storage that counts what is written, and can be made to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.trouble: Exception | None = None

    def write(self, uri: str, source: Path) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.written.append(uri)
        super().write(uri, source)

    def open(self, uri: str) -> ReadableFile:
        if self.trouble is not None and uri.endswith(".tar"):
            raise self.trouble
        return super().open(uri)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_classifier(tmp_path / "model.onnx")


def worker(tmp_path: Path, name: str, storage: Counting) -> Vetter:
    """The vetter of one machine of a fleet, with a cache of its own and one shared folder."""
    fleet = SharedArtefacts(str(tmp_path / "fleet"), storage)
    return Vetter(storage, ArtefactCache(tmp_path / name), shared=fleet)


def test_one_worker_compiles_and_the_others_load(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Counting()
    first = worker(tmp_path, "first", storage).vet(str(model))
    second_worker = worker(tmp_path, "second", storage)
    monkeypatch.setattr(sys, "executable", "/no/child/can/be/started")

    second = second_worker.vet(str(model))

    assert second.reference == first.reference
    assert second.artefact.manifest == first.artefact.manifest
    assert second.artefact.folder != first.artefact.folder
    assert len(storage.written) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        StorageUnavailable("no room"),
        OSError(5, "Input/output error"),
        RuntimeError("whatever a client says"),
        AttributeError("session"),
        EOFError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_shared_folder_raises_stops_nothing(tmp_path: Path, model: Path, trouble: Exception) -> None:
    storage = Counting()
    storage.trouble = trouble

    assert worker(tmp_path, "only", storage).vet(str(model)).name == "model"


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 2048])
def test_what_is_no_compiled_model_is_compiled_again(tmp_path: Path, model: Path, content: bytes) -> None:
    storage = Counting()
    worker(tmp_path, "first", storage).vet(str(model))
    Path(storage.written[0]).write_bytes(content)

    assert worker(tmp_path, "second", storage).vet(str(model)).name == "model"


@pytest.mark.parametrize("manifest", ["[]", "3", "{}", '{"format": 2}', "[" * 100_000])
def test_a_manifest_that_is_none_is_compiled_again(tmp_path: Path, model: Path, manifest: str) -> None:
    storage = Counting()
    worker(tmp_path, "first", storage).vet(str(model))
    (tmp_path / "manifest.json").write_text(manifest)
    with tarfile.open(storage.written[0], "w") as archive:
        archive.add(tmp_path / "manifest.json", arcname="manifest.json")

    assert worker(tmp_path, "second", storage).vet(str(model)).name == "model"


def test_a_manifest_without_its_model_is_compiled_again(tmp_path: Path, model: Path) -> None:
    storage = Counting()
    first = worker(tmp_path, "first", storage).vet(str(model))
    with tarfile.open(storage.written[0], "w") as archive:
        archive.add(first.artefact.folder / "manifest.json", arcname="manifest.json")

    second = worker(tmp_path, "second", storage).vet(str(model))

    assert (second.artefact.folder / "model.onnx").read_bytes() == model.read_bytes()


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, model: Path) -> None:
    storage = Counting()
    worker(tmp_path, "first", storage).vet(str(model))
    (tmp_path / "payload").write_text("hostile")
    with tarfile.open(storage.written[0], "w") as archive:
        archive.add(tmp_path / "payload", arcname="../../escaped")

    worker(tmp_path, "second", storage).vet(str(model))

    assert not list(tmp_path.rglob("escaped"))


def packed_otherwise(archive: str, change: Callable[[tarfile.TarFile, Path], None], folder: Path) -> None:
    """Packs what was shared again, with a change."""
    with tarfile.open(archive) as before:
        before.extractall(folder, filter="data")
    with tarfile.open(archive, "w") as archive_again:
        change(archive_again, folder)


def flipped(archive: tarfile.TarFile, folder: Path) -> None:
    weights = bytearray((folder / "model.onnx").read_bytes())
    weights[-40] ^= 1
    (folder / "model.onnx").write_bytes(weights)
    archive.add(folder, arcname=".")


def with_a_device(archive: tarfile.TarFile, folder: Path) -> None:
    archive.add(folder, arcname=".")
    device = tarfile.TarInfo("device")
    device.type = tarfile.CHRTYPE
    archive.addfile(device)


def too_many(archive: tarfile.TarFile, folder: Path) -> None:
    archive.add(folder, arcname=".")
    for number in range(12):
        archive.addfile(tarfile.TarInfo(str(number)))


@pytest.mark.parametrize("change", [flipped, with_a_device, too_many])
def test_an_archive_that_is_not_what_was_shared_is_compiled_again(
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[tarfile.TarFile, Path], None],
) -> None:
    monkeypatch.setattr(shared, "_MAX_MEMBERS", 10)
    storage = Counting()
    worker(tmp_path, "first", storage).vet(str(model))
    packed_otherwise(storage.written[0], change, tmp_path / "unpacked")

    second = worker(tmp_path, "second", storage).vet(str(model))

    assert (second.artefact.folder / "model.onnx").read_bytes() == model.read_bytes()
    assert "is of no use" in caplog.text


def test_an_archive_is_not_unpacked_beyond_its_limit(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared, "_MAX_BYTES", 1 << 20)
    storage = Counting()
    worker(tmp_path, "first", storage).vet(str(model))
    with tarfile.open(storage.written[0], "w", format=tarfile.GNU_FORMAT) as archive:
        huge = tarfile.TarInfo("huge")
        huge.size = 1 << 40
        archive.fileobj.write(huge.tobuf())

    assert worker(tmp_path, "second", storage).vet(str(model)).name == "model"
    assert "unpacks to more than" in caplog.text
