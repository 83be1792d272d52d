"""From a model file to a component: vetted for an engine that devices have, packed, and described."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from models.artefacts import Artefact, EngineChoice, EngineName, Vetted
from models.components.component import (
    Component,
    Precision,
    Target,
    checked_component_name,
    checked_version,
)
from models.components.packing import pack
from models.components.recipe import RECIPE, recipe
from models.errors import ModelFault, ModelRejected, ReleaseError
from models.reference import ModelReference
from models.releasing.destination import model_stem
from models.releasing.quantized import SILENT, Quantization, Quantized, Telling, quantize
from models.releasing.release import fetch
from models.releasing.shelf import Shelved
from models.signatures.beside import SIGNATURE_SUFFIX
from models.signatures.signer import Signer
from models.storage import Storage
from models.storage.schemes import WRITTEN_TO
from models.vetting.vetter import Vetter

DeviceEngine = Literal["onnx", "openvino", "auto"]
"""What executes a component; `auto` is the faster of the two on the machine that packs, and ONNX for ARM."""
Vetting = Callable[[EngineChoice], AbstractContextManager[Vetter]]
"""Opens a session of vetting with an engine."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of components.

    Attributes:
        version: of each, `X.Y.Z`.
        targets: what each is made for, without repetition.
        engine: what is to execute it.
        quantization: for 8 bits; None for the numbers of the file.
        signer: signs each archive; nobody does where None.

    Raises:
        ReleaseError: the version is none.
    """

    version: str
    targets: tuple[Target, ...] = ("linux-x86_64",)
    engine: DeviceEngine = "onnx"
    quantization: Quantization | None = None
    signer: Signer | None = None

    def __post_init__(self) -> None:
        try:
            checked_version(self.version)
        except ValueError as error:
            raise ReleaseError(str(error)) from error

    @property
    def precision(self) -> Precision:
        """Of the numbers that the components compute with."""
        return "int8" if self.quantization else "fp32"

    def engine_for(self, target: Target) -> EngineChoice:
        """What a model is vetted for."""
        return "onnx" if self.engine == "auto" and target == "linux-aarch64" else self.engine


@dataclass(frozen=True, slots=True)
class Compiled:
    """A model that can be packed.

    Attributes:
        source: its file.
        name: its card's, else its file's.
        artefacts: its compiled form for each target.
        quantized: how well it answers in 8 bits; None where it computes as before.
    """

    source: ModelReference
    name: str
    artefacts: dict[Target, Artefact]
    quantized: Quantized | None = None


def compile_for_devices(
    storage: Storage, model: str, folder: Path, order: Order, vetting: Vetting, telling: Telling = SILENT
) -> Compiled:
    """Vets a model for each target, in 8 bits where that is asked.

    Args:
        storage: where the model is.
        model: its address; results of the component bear it.
        folder: an empty one, for as long as what comes of it is used.
        order: what is asked.
        vetting: opens sessions of vetting.
        telling: is told how far it is.

    Raises:
        ModelRejected: with the reason.
        QuantizedOtherwise: in 8 bits it answers otherwise too often.
        FileNotFoundError, StorageUnavailable, InvalidAddress: from the storage.
        ReleaseError: the images to calibrate with are too few, or the address is empty.
        VettingFailed, CacheUnusable, OSError: from this machine; nothing was found out.
    """
    copy = folder / model.rpartition("/")[2]
    fetch(storage, model, copy)
    by_engine: dict[EngineChoice, Vetted] = {}
    quantized = None
    for engine in dict.fromkeys(map(order.engine_for, order.targets)):
        with vetting(engine) as vetter:
            path = copy
            if order.quantization is not None:
                # The other engine's is of the same bytes: it is quantized once.
                quantized = quantized or quantize(copy, vetter, order.quantization, telling)
                path = quantized.path
            with telling.step(f"vetting {model} for devices"):
                original = vetter.vet(str(copy))
                vetted = vetter.vet(str(path))
        by_engine[engine] = _named(_of_a_device(vetted, path, vetting), original.name)
    artefacts = {target: by_engine[order.engine_for(target)].artefact for target in order.targets}
    return Compiled(ModelReference(model, original.reference.sha256), original.name, artefacts, quantized)


def _named(vetted: Vetted, name: str) -> Vetted:
    """Under the name of the model that it was made of."""
    manifest = vetted.artefact.manifest
    return replace(
        vetted, artefact=replace(vetted.artefact, manifest=replace(manifest, card=replace(manifest.card, name=name)))
    )


def _of_a_device(vetted: Vetted, path: Path, vetting: Vetting) -> Vetted:
    """The model for an engine that devices have, where vetting chose none.

    Raises:
        ModelRejected: `unsupported_layer`; neither of them answers as the model does.
    """
    if vetted.artefact.manifest.engine != "tensorflow":
        return vetted
    refused = []
    engines: tuple[EngineName, ...] = ("openvino", "onnx")
    for engine in engines:
        try:
            with vetting(engine) as vetter:
                return vetter.vet(str(path))
        except ModelRejected as rejection:
            refused.append(rejection.detail)
    raise ModelRejected(ModelFault.UNSUPPORTED_LAYER, f"no engine of a device runs it: {refused[0]}")


@dataclass(frozen=True, slots=True)
class Packaged:
    """The components of one model, packed.

    Attributes:
        components: one for each target.
        files: what goes to the destination, the recipe last.
        size: bytes of the archives.
    """

    components: tuple[Component, ...]
    files: tuple[Shelved, ...]
    size: int

    @property
    def title(self) -> str:
        """Name and version."""
        return self.components[0].title

    @property
    def archives(self) -> list[str]:
        """The address of each archive."""
        return [file.uri for file in self.files if file.uri.endswith(".zip")]


def pack_for_devices(
    compiled: Compiled, destination: str, folder: Path, order: Order, name: str | None = None
) -> Packaged:
    """Packs a model for each target, with one recipe for all.

    Args:
        compiled: the model.
        destination: a folder or an address in a bucket, as `read_shelf` gives it.
        folder: for the archives, for as long as they are used.
        order: what is asked.
        name: of the component; made of the model's where None.

    Raises:
        ReleaseError: it has a name that no component can have, or is too large for one.
        OSError: the archives cannot be written.
    """
    called = component_name(compiled.name if name is None else name, is_chosen=name is not None)
    place = _joined(destination, called, order.version)
    components, files, uris, size = [], [], [], 0
    for target, artefact in compiled.artefacts.items():
        archive = folder / f"{called}-{order.version}-{target}.zip"
        component = pack(
            artefact,
            compiled.source,
            archive,
            name=called,
            version=order.version,
            target=target,
            precision=order.precision,
        )
        uri = _joined(place, archive.name)
        components.append(component)
        uris.append(uri if "://" in uri else Path(uri).absolute().as_uri())
        size += archive.stat().st_size
        if order.signer is not None:
            signature = archive.with_name(archive.name + SIGNATURE_SUFFIX)
            order.signer.sign(archive, signature)
            files.append(Shelved(component.title, signature, uri + SIGNATURE_SUFFIX))
        files.append(Shelved(component.title, archive, uri))
    described = folder / f"{called}-{order.version}-{RECIPE}"
    described.write_bytes(recipe(components, uris))
    files.append(Shelved(components[0].title, described, _joined(place, RECIPE)))
    return Packaged(tuple(components), tuple(files), size)


def read_shelf(text: str) -> str:
    """Where components go: a local folder, or an address in a bucket.

    Raises:
        ReleaseError: it is neither.
    """
    scheme, separator, rest = text.partition("://")
    if separator and (scheme not in WRITTEN_TO or not rest.split("/")[0]):
        places = ", ".join(f"{each}://BUCKET/FOLDER" for each in WRITTEN_TO)
        raise ReleaseError(f"{text} is no place for components; a local folder, {places} are")
    if not text or any(character in text for character in "*?["):
        raise ReleaseError(f"{text!r} is a pattern; give the folder alone")
    return text


def component_name(name: str, is_chosen: bool = False) -> str:
    """What a component is called.

    Args:
        name: of its model; or, as it `is_chosen`, of the component itself.

    Raises:
        ReleaseError: no component can have it.
    """
    made = name if is_chosen else re.sub(r"[^A-Za-z0-9._-]+", "-", model_stem(f"{name}.h5")).strip("-._") or "model"
    try:
        return checked_component_name(made)
    except ValueError as error:
        raise ReleaseError(f"{error}; give another --name") from error


def _joined(place: str, *names: str) -> str:
    if "://" in place:
        return "/".join([place.rstrip("/"), *names])
    return os.path.join(place, *names)  # noqa: PTH118 - keeps the form that its user gave it


def names_of_their_own(models: Sequence[Compiled]) -> list[str | None]:
    """For models that are packed together: a name after the file for those that share theirs; None for all others."""
    names = [component_name(model.name).lower() for model in models]
    files = [component_name(model.source.file_name) for model in models]
    return [file if names.count(name) > 1 else None for file, name in zip(files, names, strict=True)]
