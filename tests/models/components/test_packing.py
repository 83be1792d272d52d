"""A component holds what a device needs, and the same model gives the same bytes."""

from __future__ import annotations

import json
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from models.artefacts import ONNX_FILE
from models.components.component import Component, asked_so, checked_version
from models.components.opening import open_component
from models.components.packing import pack
from tests.component_files import LABELS, component, component_of
from tests.model_files import vetted_classifier


def test_the_same_model_gives_the_same_bytes_whoever_packs_it_and_when(tmp_path: Path) -> None:
    first = component_of(tmp_path / "one")
    umask = os.umask(0o077)
    try:
        second = component_of(tmp_path / "two")
    finally:
        os.umask(umask)
    os.utime(tmp_path / "two" / "compiled-1.0.0-1" / ONNX_FILE, (time.time() + 1e6,) * 2)

    assert first.read_bytes() == second.read_bytes()


def test_what_vetting_measured_changes_no_byte(tmp_path: Path) -> None:
    vetted = vetted_classifier(tmp_path / "compiled")
    archives = []
    for seconds, memory, reason in ((1.0, 20_000_000, "fast"), (2.0, 30_000_000, "faster")):
        manifest = replace(vetted.artefact.manifest, seconds=seconds, memory=memory, engine_reason=reason)
        archives.append(tmp_path / f"{seconds}.zip")
        pack(
            replace(vetted.artefact, manifest=manifest), vetted.reference, archives[-1],
            name="m", version="1.0.0", target="linux-x86_64", precision="fp32",
        )  # fmt: skip

    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_memory_that_a_host_must_be_allowed_is_told_in_powers_of_two(tmp_path: Path) -> None:
    manifest = vetted_classifier(tmp_path).artefact.manifest

    assert asked_so(replace(manifest, memory=700_000_000))["memory"] == 1 << 30
    assert asked_so(replace(manifest, memory=300_000_000))["memory"] == 0


def test_card_labels_and_model_are_files_whose_sizes_and_digests_the_manifest_tells(tmp_path: Path) -> None:
    archive = component_of(tmp_path)
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
        labels, card = (json.loads(packed.read(name)) for name in ("labels.json", "card.json"))

    assert names == ["manifest.json", "card.json", "labels.json", "model.onnx"]
    assert (labels, card["name"]) == (list(LABELS), "animals")
    assert [file.name for file in component(archive).files] == names[1:]
    assert component(archive).runtime.range == ">=1.20,<2"


def test_what_was_packed_is_what_is_opened(tmp_path: Path) -> None:
    vetted = vetted_classifier(tmp_path / "compiled")
    archive, folder = tmp_path / "c.zip", tmp_path / "opened"
    packed = pack(
        vetted.artefact, vetted.reference, archive,
        name="m", version="1.0.0-rc.1", target="linux-aarch64", precision="fp32",
    )  # fmt: skip
    folder.mkdir()

    opened = open_component(archive, folder)

    assert opened.component == packed == Component.decode(packed.encode())
    assert opened.component.model_id == vetted.reference.model_id
    assert opened.vetted.artefact.manifest == vetted.artefact.manifest


@pytest.mark.parametrize(
    "version", ["1", "1.0", "1.0.0.0", "01.0.0", "v1.0.0", "1.0.0 ", "1.0.x", "", "1.0.0-", "../1.0.0", "1\u0663.0.0"]
)
def test_a_version_is_three_numbers(version: str) -> None:
    with pytest.raises(ValueError, match=r"X\.Y\.Z"):
        checked_version(version)
