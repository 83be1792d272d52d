"""From a model that is live to releases on record: vetted for devices, packed, shelved, and written down."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.errors import ReleaseTaken
from fleet.releases import Release, Releases
from fleet.shelving import is_shelved, put_back
from models.components.component import COMPONENT_FORMAT, Component, Target
from models.components.recipe import RECIPE
from models.reference import ModelReference
from models.releasing.calibration import images_digest
from models.releasing.packaging import (
    Compiled,
    DeviceEngine,
    Order,
    Packaged,
    Vetting,
    compile_for_devices,
    pack_for_devices,
)
from models.releasing.quantized import SILENT, Quantization, Telling
from models.releasing.shelf import Shelved, VersionTaken, missing, put_once
from models.signatures.beside import SIGNATURE_SUFFIX
from models.signatures.signer import Signer
from models.storage import Told, WritableStorage

_NO_VERSION = "0.0.0"
_MOST_VERSIONS = 1000
"""That others may have put on the shelf meanwhile."""


class ModelChanged(Exception):  # noqa: N818 - named for the state it reports
    """The file holds other bytes than were stated; a later statement will say so."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How components are made.

    Attributes:
        shelf: a folder or an address in a bucket, as `read_shelf` gives it.
        engine: what executes them.
        quantization: for 8 bits; None for the numbers of the file.
        signer: signs each archive; nobody does where None.
    """

    shelf: str
    engine: DeviceEngine = "onnx"
    quantization: Quantization | None = None
    signer: Signer | None = None

    def terms(self) -> str:
        """What a release depends on beside the model's file, wherever key and images lie.

        Raises:
            ReleaseError: there are no images to calibrate with.
            OSError: one of them cannot be read.
        """
        eight_bits = ""
        if self.quantization is not None:
            of = self.quantization
            eight_bits = f" int8 by {images_digest(of.calibration)} at {of.least_agreement:g}"
        signed = f" signed by {self.signer.fingerprint}" if self.signer else ""
        return f"format {COMPONENT_FORMAT}, {self.engine}{eight_bits}{signed}"

    def order(self, version: str, targets: Sequence[Target]) -> Order:
        """What is asked of one version."""
        return Order(version, tuple(targets), self.engine, self.quantization, self.signer)


class Packer:
    """Makes releases, each once: whatever was begun before, by this process or another, is completed.

    Args:
        storage: where models are, and the shelf.
        releases: those on record.
        recipe: how they are made.
        vetting: opens sessions of vetting.
        clock: wall-clock seconds.
        telling: is told how far it is.
        told: is given each file before it is put on the shelf, and gives what is told how far it is.
    """

    def __init__(
        self,
        storage: WritableStorage,
        releases: Releases,
        recipe: Recipe,
        vetting: Vetting,
        clock: Callable[[], float],
        telling: Telling = SILENT,
        told: Callable[[Shelved], Told] | None = None,
    ) -> None:
        self._storage = storage
        self._releases = releases
        self._recipe = recipe
        self._vetting = vetting
        self._clock = clock
        self._telling = telling
        self._told = told or _untold

    def release(
        self, name: str, model: ModelReference, targets: Sequence[Target]
    ) -> tuple[list[Release], list[Release]]:
        """Has a model be on record for each target.

        Args:
            name: of the component.
            model: the bytes that are meant.
            targets: that are asked for.

        Returns:
            all that are on record of it, of one version; and those of them that were made now. An archive that was
            lost from the shelf is there again.

        Raises:
            ModelChanged: other bytes are there now.
            StoreUnusable: the database does not answer.
            NotWritten: the shelf cannot be written.
            As `compile_for_devices` and `pack_for_devices`.
        """
        terms = self._recipe.terms()
        known = self._releases.of_source(name, model.sha256, terms)
        shelf = self._recipe.shelf
        there = [each for each in known if is_shelved(self._storage, shelf, each)]
        lacking = [each for each in targets if each not in {release.target for release in there}]
        if not lacking:
            return known, []
        try:
            return self._made(name, model, lacking, known, terms)
        except (VersionTaken, ReleaseTaken):
            if not known:
                raise
            # Others have other bytes under the version that it has: all targets get another one together.
            return self._made(name, model, targets, [], terms)

    def _made(
        self, name: str, model: ModelReference, targets: Sequence[Target], known: Sequence[Release], terms: str
    ) -> tuple[list[Release], list[Release]]:
        version = known[0].version if known else self._releases.next_version(name)
        order = self._recipe.order(_NO_VERSION, targets)
        with tempfile.TemporaryDirectory(prefix="hotswap-fleet-") as folder:
            compiled = compile_for_devices(self._storage, model.uri, Path(folder), order, self._vetting, self._telling)
            if compiled.source.sha256 != model.sha256:
                raise ModelChanged(f"{model.uri} holds other bytes than those that went live")
            return self._shelved(name, compiled, Path(folder), known, terms, version)

    def _shelved(
        self, name: str, compiled: Compiled, folder: Path, known: Sequence[Release], terms: str, version: str
    ) -> tuple[list[Release], list[Release]]:
        lost = {each.target for each in known}
        for _ in range(_MOST_VERSIONS):
            order = self._recipe.order(version, list(compiled.artefacts))
            packed = pack_for_devices(compiled, self._recipe.shelf, folder, order, name)
            try:
                fresh = self._put_back(packed, folder, known)
                put_once(self._storage, missing(self._storage, fresh), self._told)
                made = [self._record(packed, each, terms) for each in packed.components if each.target not in lost]
            except (VersionTaken, ReleaseTaken):
                if known:
                    raise
                version = f"{int(version.partition('.')[0]) + 1}.0.0"
                continue
            return sorted([*known, *made], key=lambda each: each.target), made
        raise VersionTaken(f"{name} {version}", self._recipe.shelf)

    def _put_back(self, packed: Packaged, folder: Path, known: Sequence[Release]) -> list[Shelved]:
        """What is on record is put where it was, if it is the same; the rest is to be put on the shelf."""
        files = _archives(packed)
        for release in known:
            archive = folder / f"{release.name}-{release.version}-{release.target}.zip"
            if any(file.path == archive for file in files):
                put_back(self._storage, self._recipe.shelf, release, archive, folder, self._told)
                files = [file for file in files if not file.path.name.startswith(archive.name)]
        return files

    def _record(self, packed: Packaged, component: Component, terms: str) -> Release:
        archive = next(file for file in packed.files if file.path.name == f"{component.stem}.zip")
        signature = archive.path.with_name(archive.path.name + SIGNATURE_SUFFIX)
        signed = signature.read_text(encoding="utf-8") if self._recipe.signer else None
        return self._releases.record(Release.of(component, archive.path, archive.uri, signed, terms, self._clock()))


def _archives(packed: Packaged) -> list[Shelved]:
    """What goes on the shelf: another target may come to a version later, and a recipe tells of those of one push."""
    return [file for file in packed.files if not file.uri.endswith(RECIPE)]


def _untold(file: Shelved) -> Told:
    return lambda size: None
