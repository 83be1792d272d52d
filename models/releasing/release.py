"""From a model file to a released model."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artefacts import DEFAULT_ENGINE, DEFAULT_LARGEST_BATCH, DEFAULT_MAX_VALUES, EngineChoice, Vetted
from models.components.component import Precision
from models.errors import ReleaseError
from models.model_files import FileKind
from models.reference import ModelReference, sha256_of
from models.releasing.card_in_file import embed_card, embedded_card
from models.releasing.destination import (
    Destination,
    checked_name,
    model_stem,
    name_of_its_own,
    read_destination,
)
from models.releasing.preprocessing import preprocessing
from models.releasing.quantized import LEAST_AGREEMENT, SILENT, Quantization, Quantized, Telling, quantize
from models.signatures.beside import SIGNATURE_SUFFIX
from models.signatures.signer import Signer
from models.storage import Storage, Told, WritableStorage
from models.storage.errors import NameTaken
from models.storage.schemes import AnyStorage
from models.tags import with_tags
from models.vetting.file_checks import identify
from models.vetting.session import vetting
from models.vetting.vetter import Vetter

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Prepared:
    """A copy of a model with its card in it.

    Attributes:
        path: the copy, under the name that it will have.
        uri: the address that it will have.
    """

    path: Path
    uri: str

    @property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    def vet(self, vetter: Vetter) -> Vetted:
        """Proves the copy, under the reference that it will have.

        Raises:
            ModelRejected: with the reason.
            VettingFailed, OSError: from this machine; nothing was found out.
        """
        vetted = vetter.vet(str(self.path))
        return Vetted(ModelReference(self.uri, vetted.reference.sha256), vetted.artefact)

    def put(self, storage: WritableStorage, told: Told, signer: Signer | None = None) -> None:
        """Makes it visible to the readers of its folder, whole and in one step; its signature a moment before it.

        Raises:
            NameTaken, NotWritten, StorageUnavailable: see `WritableStorage.put`.
            OSError: of this machine.
        """
        if signer is not None:
            signature = self.path.with_name(self.path.name + SIGNATURE_SUFFIX)
            signer.sign(self.path, signature)
            storage.put(signature, self.uri + SIGNATURE_SUFFIX, lambda size: None)
        storage.put(self.path, self.uri, told)


def release(
    model: str | Path,
    destination: str | Path,
    *,
    engine: EngineChoice = DEFAULT_ENGINE,
    largest_batch: int = DEFAULT_LARGEST_BATCH,
    max_values: int = DEFAULT_MAX_VALUES,
    storage: WritableStorage | None = None,
    preprocess: str | None = None,
    precision: Precision = "fp32",
    calibration: str | Path | None = None,
    least_agreement: float = LEAST_AGREEMENT,
    signer: Signer | None = None,
    **card: Any,
) -> Vetted:
    """Vets a model with its card in it, and puts it where its readers find it, in one step and without replacing any.

    Args:
        model: a `.h5`, `.keras` or `.onnx` file, here or at `gs://`.
        destination: a folder, `gs://BUCKET/FOLDER`, or a file that is not there yet.
        engine: what may execute the model.
        largest_batch: probed up to.
        max_values: numbers that a result may tell of a model's outputs as they are.
        storage: reaches both; local paths and `gs://` where None.
        preprocess: a family of `keras.applications` whose `preprocess_input` the model was trained with; the card's
            `input` gets its `scale`, `mean`, `std` and `color`.
        precision: `int8` releases the model in 8 bits, as a file of ONNX, if it answers as the original does.
        calibration: for `int8`, a local folder of images like those that the model will be asked about.
        least_agreement: for `int8`, the share of these that must get the original's answer, 0..1.
        signer: signs it; readers that trust some keys only serve no other.
        card: fields of the card, in place of those that the file bears: `name`, `labels`, `task`, `input`, …

    Returns:
        What was released; its results will bear `reference.model_id`.

    Raises:
        ModelRejected: with the reason; nothing was released.
        ReleaseError: the destination is none, there is no such family, or there are too few images to calibrate with.
        QuantizedOtherwise: in 8 bits it answers otherwise too often; nothing was released.
        NameTaken: there is a file of this name already.
        FileNotFoundError: there is no such model.
        NotWritten, StorageUnavailable: from the storage.
        InvalidAddress: no file can have the model's address, or the one that it would get.
        VettingFailed: vetting could not look at it, for a reason that is this machine's; nothing was released.
        CacheUnusable: compiled models cannot be kept here.
        OSError: the copy of the model cannot be written here.
    """
    if (calibration is not None) != (precision == "int8"):
        raise ReleaseError('`precision="int8"` needs a folder of images in `calibration`, and nothing else takes one')
    reached = storage or AnyStorage()
    where = read_destination(str(destination))
    with (
        prepare(reached, str(model), where, card, preprocess, precision) as prepared,
        vetting(reached, engine, largest_batch, max_values) as vetter,
    ):
        if calibration is not None:
            wanted = Quantization(Path(calibration), least_agreement)
            prepared, _ = prepare_quantized(reached, prepared, where, vetter, wanted)
        vetted = prepared.vet(vetter)
        prepared.put(reached, lambda size: None, signer)
    return vetted


@contextmanager
def prepare(
    storage: WritableStorage,
    model: str,
    destination: Destination,
    card: Mapping[str, Any],
    preprocess: str | None = None,
    precision: Precision = "fp32",
    tags: Collection[str] = (),
) -> Iterator[Prepared]:
    """A copy of the model with its card in it, under the name that it will have; gone afterwards.

    Where that name is made up, the card gets the model's present name, unless it has one: results should say
    `digits`, not `digits-20300102T030405Z-0123456789ab`. What `preprocess` says of the `input` goes before
    what the card says, and leaves its other fields; each of `tags`, `KEY=VALUE`, goes before a tag of the card that has
    its key. Where it is to be quantized, it keeps its address.

    Raises:
        FileNotFoundError, StorageUnavailable, InvalidAddress: from the storage.
        OSError: the copy cannot be written.
        ReleaseError: the chosen name does not fit the file, or `preprocess` is no family of `keras.applications`.
        NameTaken: there is a file of this name. What really keeps files from being replaced is the step that writes.
        ModelRejected: the file is no model, or its card is damaged.
    """
    own_name = model.rpartition("/")[2]
    scaling = preprocessing(preprocess) if preprocess is not None else {}
    with tempfile.TemporaryDirectory(prefix="hotswap-release-") as folder:
        copy = Path(folder) / f"model{Path(own_name).suffix.lower()}"
        fetch(storage, model, copy)
        present = embedded_card(copy)
        wanted = present | dict(card)
        if scaling and isinstance(asked := wanted.get("input", {}), dict):
            wanted["input"] = asked | scaling
        if tags and isinstance(worn := wanted.get("tags", []), list):
            wanted["tags"] = with_tags(worn, tags)
        if destination.name is None:
            wanted = {"name": model_stem(own_name)} | wanted
        if wanted != present:
            embed_card(copy, wanted)
        if precision == "int8":
            _require_free(storage, destination, "onnx")
            yield Prepared(copy, model)
        else:
            yield _named(storage, copy, own_name, destination)


def prepare_quantized(
    storage: WritableStorage,
    original: Prepared,
    destination: Destination,
    vetter: Vetter,
    wanted: Quantization,
    telling: Telling = SILENT,
) -> tuple[Prepared, Quantized]:
    """A prepared model in 8 bits, under the name that it will have, and what came of it.

    Raises:
        As `quantize` and `prepare`.
    """
    quantized = quantize(original.path, vetter, wanted, telling)
    return _named(storage, quantized.path, original.uri.rpartition("/")[2], destination), quantized


def _named(storage: WritableStorage, copy: Path, own_name: str, destination: Destination) -> Prepared:
    kind = identify(copy)
    uri = _require_free(storage, destination, kind)
    if uri is None:
        uri = destination.address(name_of_its_own(own_name, kind, sha256_of(copy)))
    return Prepared(copy.rename(copy.with_name(uri.rpartition("/")[2])), uri)


def _require_free(storage: WritableStorage, destination: Destination, kind: FileKind) -> str | None:
    """The address that a user chose, which must fit a file of this kind and be free; None for one that is made up."""
    if destination.name is None:
        return None
    uri = destination.address(checked_name(destination.name, kind))
    if storage.exists(uri):
        raise NameTaken(uri)
    return uri


def fetch(storage: Storage, model: str, copy: Path) -> None:
    """Copies a model's file to this machine.

    Raises:
        FileNotFoundError, StorageUnavailable, InvalidAddress: from the storage.
        ReleaseError: the address is empty.
        OSError: the copy cannot be written.
    """
    if not model:
        raise ReleaseError("the model's address is empty")
    with closing(storage.open(model)) as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
