"""A component is taken in when each of its files is what the manifest says, and leaves nothing anywhere else."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.components.component import MOST_FILES
from models.components.opening import OpenedComponent, open_component
from models.errors import ComponentFault, ComponentRefused
from tests.component_files import LABELS, Members, component_of, repacked, unpacked, with_manifest


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return component_of(tmp_path / "packed")


def opened(path: Path) -> OpenedComponent:
    folder = path.parent / "opened"
    folder.mkdir()
    return open_component(path, folder)


def refused(path: Path) -> ComponentRefused:
    with pytest.raises(ComponentRefused) as refusal:
        opened(path)
    assert str(refusal.value).isprintable()
    return refusal.value


def link_to(path: Path) -> Path:
    link = path.parent / "current"
    link.symlink_to(path.name)
    return link


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda archive: archive, id="an archive"),
        pytest.param(lambda archive: unpacked(archive, archive.parent / "folder"), id="a folder"),
        pytest.param(link_to, id="a link to an archive"),
        pytest.param(lambda archive: link_to(unpacked(archive, archive.parent / "folder")), id="a link to a folder"),
        pytest.param(lambda archive: repacked(archive, dict, zipfile.ZIP_DEFLATED), id="packed by another program"),
    ],
)
def test_each_form_of_a_component_is_taken(archive: Path, form: Callable[[Path], Path]) -> None:
    taken = opened(form(archive))

    assert taken.component.title == "animals 1.0.0"
    assert taken.vetted.artefact.manifest.card.labels == LABELS


def test_what_a_device_keeps_in_a_folder_besides_is_left_there(archive: Path) -> None:
    folder = unpacked(archive, archive.parent / "folder")
    (folder / "notes.txt").write_text("mine")

    taken = opened(folder)

    files = {path.name for path in taken.vetted.artefact.folder.iterdir()}
    assert files == {"card.json", "labels.json", "manifest.json", "model.onnx"}


def test_what_another_machine_is_to_run_is_read_without_its_runtime(archive: Path, tmp_path: Path) -> None:
    with_manifest(archive, runs_on(range=">=99"))
    taken = open_component(archive, tmp_path, is_for_here=False)
    assert taken.component.runtime.range == ">=99"


def changed(name: str, data: bytes) -> Callable[[Members], object]:
    return lambda members: members.update({name: data})


def flipped(members: Members) -> None:
    model = bytearray(members["model.onnx"])
    model[100] ^= 1
    members["model.onnx"] = bytes(model)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(flipped, ComponentFault.WRONG_DIGEST, id="one bit is another"),
        pytest.param(changed("model.onnx", b""), ComponentFault.WRONG_DIGEST, id="a file is empty"),
        pytest.param(changed("labels.json", b'["x"]' * 9), ComponentFault.WRONG_DIGEST, id="a file is longer"),
        pytest.param(lambda members: members.pop("card.json"), ComponentFault.NOT_A_COMPONENT, id="a file lacks"),
        pytest.param(lambda members: members.pop("manifest.json"), ComponentFault.NOT_A_COMPONENT, id="no manifest"),
        pytest.param(changed("manifest.json", b"{"), ComponentFault.NOT_A_COMPONENT, id="the manifest is no JSON"),
        pytest.param(changed("manifest.json", b"[" * 99_999), ComponentFault.NOT_A_COMPONENT, id="nested deeply"),
        pytest.param(changed("manifest.json", b" " * (2 << 20)), ComponentFault.TOO_LARGE, id="a long manifest"),
        pytest.param(changed("more.bin", b"x"), ComponentFault.UNSAFE_NAME, id="a file that is not listed"),
        pytest.param(changed("../out", b"x"), ComponentFault.UNSAFE_NAME, id="a path that leads out"),
        pytest.param(changed("folder/", b""), ComponentFault.UNSAFE_NAME, id="a folder"),
        pytest.param(
            lambda members: members.update({f"f{number}": b"" for number in range(MOST_FILES)}),
            ComponentFault.TOO_LARGE,
            id="too many files",
        ),
    ],
)
def test_an_archive_that_is_not_what_its_manifest_says_is_refused(
    archive: Path, change: Callable[[Members], object], fault: ComponentFault
) -> None:
    before = {path for path in archive.parents[1].rglob("*") if path.is_file()}

    assert refused(repacked(archive, change)).fault == fault
    after = {path for path in archive.parents[1].rglob("*") if path.is_file()}
    assert all(path.is_relative_to(archive.parent / "opened") for path in after - before)


def other(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda value: value.update(fields)


def listed(**fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["files"].append({"name": "x", "size": 0, "sha256": "0" * 64} | fields)


def runs_on(**fields: str) -> Callable[[dict[str, Any]], object]:
    return lambda value: value["runtime"].update(fields)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        pytest.param(listed(name="../../escape"), ComponentFault.UNSAFE_NAME, id="a name that leads out"),
        pytest.param(listed(name="/etc/passwd"), ComponentFault.UNSAFE_NAME, id="a name from the root"),
        pytest.param(listed(name="a\\b"), ComponentFault.UNSAFE_NAME, id="a name of another system"),
        pytest.param(listed(name="a\n"), ComponentFault.UNSAFE_NAME, id="a name with a line's end"),
        pytest.param(listed(name=".."), ComponentFault.UNSAFE_NAME, id="the folder above"),
        pytest.param(listed(name="MODEL.onnx"), ComponentFault.NOT_A_COMPONENT, id="a name twice, on some disks"),
        pytest.param(listed(name="manifest.json"), ComponentFault.NOT_A_COMPONENT, id="itself"),
        pytest.param(listed(size=-1), ComponentFault.NOT_A_COMPONENT, id="a size below nothing"),
        pytest.param(listed(size=1 << 60), ComponentFault.NOT_A_COMPONENT, id="a size that no disk has"),
        pytest.param(listed(sha256="x"), ComponentFault.NOT_A_COMPONENT, id="no digest"),
        pytest.param(listed(), ComponentFault.NOT_A_COMPONENT, id="a file that is not there"),
        pytest.param(other(format=2), ComponentFault.NOT_A_COMPONENT, id="a format to come"),
        pytest.param(other(version="newest"), ComponentFault.NOT_A_COMPONENT, id="no version"),
        pytest.param(other(target="toaster"), ComponentFault.NOT_A_COMPONENT, id="no target"),
        pytest.param(other(model_id="a\x1b[2Jb"), ComponentFault.NOT_A_COMPONENT, id="a name that moves the cursor"),
        pytest.param(other(files=[]), ComponentFault.UNSAFE_NAME, id="files that are not listed"),
        pytest.param(other(model={}), ComponentFault.NOT_A_COMPONENT, id="nothing of its model"),
        pytest.param(runs_on(engine="tensorflow"), ComponentFault.NOT_A_COMPONENT, id="an engine of no device"),
        pytest.param(runs_on(range=">=99"), ComponentFault.NO_RUNTIME, id="a runtime to come"),
        pytest.param(runs_on(range="newest"), ComponentFault.NOT_A_COMPONENT, id="no range"),
    ],
)
def test_a_manifest_that_no_packer_writes_is_refused(
    archive: Path, change: Callable[[dict[str, Any]], object], fault: ComponentFault
) -> None:
    assert refused(with_manifest(archive, change)).fault == fault


def test_a_bomb_writes_no_more_than_the_manifest_allows(archive: Path) -> None:
    bomb = repacked(archive, changed("model.onnx", bytes(300 << 20)), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2 << 20

    assert refused(bomb).fault == ComponentFault.WRONG_DIGEST
    assert sum(path.stat().st_size for path in (archive.parent / "opened").iterdir()) < 1 << 20


def test_labels_that_would_fill_memory_are_not_read(archive: Path) -> None:
    labels = json.dumps([""] * (1 << 20)).encode()
    listed = {"name": "labels.json", "size": len(labels), "sha256": hashlib.sha256(labels).hexdigest()}

    def rewritten(members: Members) -> None:
        value = json.loads(members["manifest.json"])
        value["files"] = [each for each in value["files"] if each["name"] != "labels.json"] + [listed]
        members.update({"manifest.json": json.dumps(value).encode(), "labels.json": labels})

    refusal = refused(repacked(archive, rewritten, zipfile.ZIP_DEFLATED))
    assert refusal.fault == ComponentFault.TOO_LARGE
    assert list((archive.parent / "opened").iterdir()) == []


def test_something_else_before_the_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(b"#!/bin/sh\n" + archive.read_bytes())

    assert refused(archive).fault == ComponentFault.NOT_A_COMPONENT


def test_a_link_in_an_archive_is_refused(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as packed:
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc")

    assert refused(archive).fault == ComponentFault.UNSAFE_NAME


def test_two_files_of_one_name_are_refused(archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as packed, pytest.warns(UserWarning, match="Duplicate"):
        packed.writestr("model.onnx", b"another")

    assert refused(archive).fault == ComponentFault.UNSAFE_NAME


def test_a_file_without_a_name_is_refused(archive: Path) -> None:
    data = bytearray(repacked(archive, changed("ABCD", b"")).read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 28 : entry + 32] = struct.pack("<HH", 0, 4)  # its name becomes a field of another kind
    data[entry + 46 : entry + 50] = b"AB\x00\x00"
    archive.write_bytes(data)

    assert refused(archive).fault == ComponentFault.UNSAFE_NAME


def test_a_link_in_a_folder_is_not_followed(archive: Path) -> None:
    folder = unpacked(archive, archive.parent / "folder")
    (folder / "model.onnx").rename(archive.parent / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(archive.parent / "elsewhere.onnx")

    assert refused(folder).fault == ComponentFault.UNSAFE_NAME


def test_a_pipe_in_a_folder_is_not_waited_for(archive: Path) -> None:
    folder = unpacked(archive, archive.parent / "folder")
    (folder / "model.onnx").unlink()
    os.mkfifo(folder / "model.onnx")

    assert refused(folder).fault == ComponentFault.UNSAFE_NAME


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_an_archive_that_was_cut_is_refused(archive: Path, share: float) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * share)])

    assert refused(archive).fault == ComponentFault.NOT_A_COMPONENT


@pytest.mark.parametrize("place", range(0, 60, 3))
def test_bytes_at_the_end_that_were_changed_are_refused_or_mean_the_same(archive: Path, place: int) -> None:
    data = bytearray(archive.read_bytes())
    data[-60 + place] ^= 0xFF
    archive.write_bytes(data)

    try:
        assert opened(archive).component.title == "animals 1.0.0"
    except ComponentRefused as refusal:
        assert refusal.fault in set(ComponentFault)


def test_a_list_of_members_that_would_fill_memory_is_not_read(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[-10:-2] = struct.pack("<LL", 1 << 30, 0)
    archive.write_bytes(data)

    assert refused(archive).fault == ComponentFault.TOO_LARGE


def test_a_list_that_an_extension_of_the_format_tells_is_not_read(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[:-22] + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1) + data[-22:])

    assert refused(archive).fault == ComponentFault.NOT_A_COMPONENT


def test_nothing_there_is_told_so(tmp_path: Path) -> None:
    assert refused(tmp_path / "absent.zip").fault == ComponentFault.NOT_FOUND
