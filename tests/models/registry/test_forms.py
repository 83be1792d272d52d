"""A fleet's compiled forms: they save work, and their trouble stops nothing."""

from __future__ import annotations

import json
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models.reference import sha256_of
from models.registry import forms
from models.registry.cache import ArtefactCache
from models.registry.forms import CompiledForms
from models.storage import LocalStorage
from models.storage.errors import StorageUnavailable
from models.storage.local_objects import LocalObjects
from models.vetting import Vetter
from tests.model_files import tiny_classifier


class Troubled(LocalObjects):
    """Objects that count what is uploaded, and can be made to refuse."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder
        self.uploaded: list[Path] = []
        self.trouble: Exception | None = None

    def upload(self, source: Path, name: str) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.uploaded.append(self.folder / name)
        super().upload(source, name)

    def download(self, name: str, target: Path, most: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        super().download(name, target, most)

    def packed(self) -> Path:
        """The one archive; whoever changes it tells its new digest with `renamed`."""
        [archive] = set(self.uploaded)
        return archive

    def renamed(self) -> None:
        """Has the index name the archive as it is now: as somebody writes it who knows how."""
        archive = self.packed()
        [index] = self.folder.glob("compiled/*.json")
        form = json.loads(index.read_text())
        form |= {"archive": sha256_of(archive), "size": archive.stat().st_size}
        index.write_text(json.dumps(form))
        archive.rename(archive.with_name(f"{form['source']}-{form['engine']}-{form['archive']}.tar"))


@pytest.fixture
def fleet(tmp_path: Path) -> Troubled:
    return Troubled(tmp_path / "fleet")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_classifier(tmp_path / "model.onnx")


def worker(tmp_path: Path, name: str, fleet: Troubled) -> Vetter:
    """The vetter of one machine of a fleet, with a cache of its own."""
    return Vetter(LocalStorage(), ArtefactCache(tmp_path / name), forms=CompiledForms(fleet))


def test_one_worker_compiles_and_the_others_load(
    tmp_path: Path, fleet: Troubled, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = worker(tmp_path, "first", fleet).vet(str(model))
    second_worker = worker(tmp_path, "second", fleet)
    monkeypatch.setattr(sys, "executable", "/no/child/can/be/started")

    second = second_worker.vet(str(model))

    assert second.reference == first.reference
    assert second.artefact.manifest == first.artefact.manifest
    assert second.artefact.folder != first.artefact.folder
    assert len(fleet.uploaded) == 1


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
def test_whatever_a_shared_folder_raises_stops_nothing(
    tmp_path: Path, fleet: Troubled, model: Path, trouble: Exception
) -> None:
    fleet.trouble = trouble

    assert worker(tmp_path, "only", fleet).vet(str(model)).name == "model"


@pytest.mark.parametrize("content", [b"", b"no tar", b"\0" * 2048])
def test_what_is_no_compiled_model_is_compiled_again(
    tmp_path: Path, fleet: Troubled, model: Path, content: bytes
) -> None:
    worker(tmp_path, "first", fleet).vet(str(model))
    fleet.packed().write_bytes(content)
    fleet.renamed()

    assert worker(tmp_path, "second", fleet).vet(str(model)).name == "model"


@pytest.mark.parametrize("manifest", ["[]", "3", "{}", '{"format": 2}', "[" * 100_000])
def test_a_manifest_that_is_none_is_compiled_again(tmp_path: Path, fleet: Troubled, model: Path, manifest: str) -> None:
    worker(tmp_path, "first", fleet).vet(str(model))
    (tmp_path / "manifest.json").write_text(manifest)
    with tarfile.open(fleet.packed(), "w") as archive:
        archive.add(tmp_path / "manifest.json", arcname="manifest.json")
    fleet.renamed()

    assert worker(tmp_path, "second", fleet).vet(str(model)).name == "model"


def test_a_manifest_without_its_model_is_compiled_again(tmp_path: Path, fleet: Troubled, model: Path) -> None:
    first = worker(tmp_path, "first", fleet).vet(str(model))
    with tarfile.open(fleet.packed(), "w") as archive:
        archive.add(first.artefact.folder / "manifest.json", arcname="manifest.json")
    fleet.renamed()

    second = worker(tmp_path, "second", fleet).vet(str(model))

    assert (second.artefact.folder / "model.onnx").read_bytes() == model.read_bytes()


def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, fleet: Troubled, model: Path) -> None:
    worker(tmp_path, "first", fleet).vet(str(model))
    (tmp_path / "payload").write_text("hostile")
    with tarfile.open(fleet.packed(), "w") as archive:
        archive.add(tmp_path / "payload", arcname="../../escaped")
    fleet.renamed()

    worker(tmp_path, "second", fleet).vet(str(model))

    assert not list(tmp_path.rglob("escaped"))


def packed_otherwise(archive: Path, change: Callable[[tarfile.TarFile, Path], None], folder: Path) -> None:
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
    fleet: Troubled,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[tarfile.TarFile, Path], None],
) -> None:
    monkeypatch.setattr(forms, "_MAX_MEMBERS", 10)
    worker(tmp_path, "first", fleet).vet(str(model))
    packed_otherwise(fleet.packed(), change, tmp_path / "unpacked")
    fleet.renamed()

    second = worker(tmp_path, "second", fleet).vet(str(model))

    assert (second.artefact.folder / "model.onnx").read_bytes() == model.read_bytes()
    assert "is of no use" in caplog.text


def test_an_archive_is_not_unpacked_beyond_its_limit(
    tmp_path: Path, fleet: Troubled, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forms, "_MAX_BYTES", 1 << 20)
    worker(tmp_path, "first", fleet).vet(str(model))
    with tarfile.open(fleet.packed(), "w", format=tarfile.GNU_FORMAT) as archive:
        huge = tarfile.TarInfo("huge")
        huge.size = 1 << 40
        archive.fileobj.write(huge.tobuf())
    fleet.renamed()

    assert worker(tmp_path, "second", fleet).vet(str(model)).name == "model"
    assert "unpacks to more than" in caplog.text


def test_an_archive_whose_bytes_are_others_is_of_no_use_and_is_replaced_by_whoever_compiles_again(
    tmp_path: Path, fleet: Troubled, model: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(tmp_path, "first", fleet).vet(str(model))
    archive = fleet.packed()
    archive.write_bytes(archive.read_bytes().replace(b"model", b"Model", 1))

    worker(tmp_path, "second", fleet).vet(str(model))
    assert "its bytes are others than its name says" in caplog.text

    third = worker(tmp_path, "third", fleet)
    monkeypatch.setattr(sys, "executable", "/no/child/can/be/started")
    assert third.vet(str(model)).name == "model"


@pytest.mark.parametrize("index", [b"", b"[]", b"\xff", b'{"format": 1}', b"[" * 100_000, b" " * (2 << 20)])
def test_an_index_that_says_nothing_is_replaced(
    tmp_path: Path, fleet: Troubled, model: Path, index: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(tmp_path, "first", fleet).vet(str(model))
    [written] = fleet.folder.glob("compiled/*.json")
    written.write_bytes(index)

    worker(tmp_path, "second", fleet).vet(str(model))

    third = worker(tmp_path, "third", fleet)
    monkeypatch.setattr(sys, "executable", "/no/child/can/be/started")
    assert third.vet(str(model)).name == "model"


def test_a_model_is_had_without_its_file(
    tmp_path: Path, fleet: Troubled, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = worker(tmp_path, "first", fleet).vet(str(model)).reference
    model.unlink()
    monkeypatch.setattr(sys, "executable", "/no/child/can/be/started")

    assert worker(tmp_path, "second", fleet).obtain(reference).reference == reference


def test_the_same_form_makes_the_same_archive(tmp_path: Path, fleet: Troubled, model: Path) -> None:
    vetter = worker(tmp_path, "first", fleet)
    artefact = vetter.vet(str(model)).artefact
    for name in artefact.folder.iterdir():
        os.utime(name, (1, 1))
    CompiledForms(fleet).offer(artefact, "auto", tmp_path)
    assert len(set(fleet.uploaded)) == 1
    assert len(fleet.uploaded) == 2
