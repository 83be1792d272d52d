"""Making a model file ready to be served by others: its card inside it, a name of its own, and one atomic step."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from models.card import MAX_CARD_BYTES, parse_card
from models.errors import ModelFault, ModelRejected, one_line
from models.reference import DIGEST_DIGITS
from models.vetting.file_checks import CARD, CARD_MEMBER, FileKind, identify

MODEL_SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")

_SUFFIX_OF_KIND: dict[FileKind, tuple[str, ...]] = {
    "hdf5": (".h5", ".hdf5"),
    "keras": (".keras",),
    "onnx": (".onnx",),
}
_CHUNK_BYTES = 1 << 20
_PUBLISHED_NAME = re.compile(r"-\d{8}T\d{6}Z-[0-9a-f]{12}$")
_LONGEST_STEM = 150

Told = Callable[[int], None]
"""Called with the number of bytes that have been written since the last call."""


class PublishError(Exception):
    """Something about a request to publish that its user can mend; its text is one line."""


class NameTaken(PublishError):  # noqa: N818 - named for the state it reports
    """There is a file under this name already, and it is not replaced."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri} exists, and is not replaced; choose another name, or give the folder alone")
        self.uri = uri


def read_labels(path: Path) -> list[str]:
    """The labels in a file, in the order of the model's outputs.

    Args:
        path: UTF-8 text with one label a line, or a JSON list of texts.

    Raises:
        PublishError: unreadable, empty, or neither of the two.
    """
    text = _small_text(path, "labels")
    if text.lstrip().startswith(("[", "{")):
        try:
            labels = json.loads(text)
        except ValueError as error:
            raise PublishError(f"the labels in {path} are not JSON: {one_line(error)}") from error
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise PublishError(f"the labels in {path} are not a JSON list of texts")
    else:
        labels = [line.strip() for line in text.rstrip().splitlines()]
        if "" in labels and text.strip():
            raise PublishError(f"line {labels.index('') + 1} of {path} is empty; one label a line is expected")
    if not labels:
        raise PublishError(f"{path} holds no labels")
    return labels


def read_card_file(path: Path) -> dict[str, Any]:
    """The JSON object in a card file; its fields are checked by vetting.

    Raises:
        PublishError: unreadable, or not a JSON object.
    """
    try:
        return parse_card(_small_text(path, "card"))
    except ModelRejected as rejection:
        raise PublishError(f"{path}: {rejection.detail}") from rejection


def _small_text(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise PublishError(f"the {what} file {path} is larger than {MAX_CARD_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise PublishError(f"the {what} file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PublishError(f"the {what} file {path} is not UTF-8 text") from error


def embedded_card(path: Path) -> dict[str, Any]:
    """The card that a model file bears; an empty one where it bears none.

    Raises:
        ModelRejected: `not_a_model`, `truncated` or `bad_card`.
    """
    kind = identify(path)
    with _damage_is_a_rejection():
        text = {"hdf5": _card_of_hdf5, "keras": _card_of_keras, "onnx": _card_of_onnx}[kind](path)
    if text is None:
        return {}
    if not isinstance(text, str | bytes):
        raise ModelRejected(ModelFault.BAD_CARD, f"the attribute {CARD} is not a text")
    return parse_card(text)


def embed_card(path: Path, card: Mapping[str, Any]) -> None:
    """Writes a card into a model file, in place of the one that it bears. Give it a copy, never a user's own file.

    Raises:
        ModelRejected: `not_a_model`, `truncated`, or `bad_card` for a card over 4 MiB.
    """
    text = json.dumps(card, ensure_ascii=False)
    if len(text.encode()) > MAX_CARD_BYTES:
        raise ModelRejected(ModelFault.BAD_CARD, f"the card is larger than {MAX_CARD_BYTES} bytes")
    kind = identify(path)
    with _damage_is_a_rejection():
        {"hdf5": _embed_in_hdf5, "keras": _embed_in_keras, "onnx": _embed_in_onnx}[kind](path, text)


@contextmanager
def _damage_is_a_rejection() -> Iterator[None]:
    """Tells what h5py, zipfile and protobuf raise for a damaged file in this project's words."""
    try:
        yield
    except ModelRejected:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        fault = ModelFault.TRUNCATED if "truncated" in str(error) else ModelFault.NOT_A_MODEL
        raise ModelRejected(fault, f"it cannot be opened: {one_line(error)}") from error


def _card_of_hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path, "r") as file:
        return file.attrs.get(CARD)


def _embed_in_hdf5(path: Path, text: str) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        # A str becomes a variable-length string, which HDF5 keeps in its global heap: the limit of 64 KiB on an
        # attribute holds for fixed-length ones, and twenty thousand labels take more.
        file.attrs[CARD] = text


def _card_of_keras(path: Path) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        if CARD_MEMBER not in archive.namelist():
            return None
        if archive.getinfo(CARD_MEMBER).file_size > MAX_CARD_BYTES:
            raise ModelRejected(ModelFault.BAD_CARD, f"the card is larger than {MAX_CARD_BYTES} bytes")
        return archive.read(CARD_MEMBER)


def _embed_in_keras(path: Path, text: str) -> None:
    if _card_of_keras(path) is None:  # which also proves that this is an archive: mode "a" appends to anything
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(CARD_MEMBER, text)
        return
    # A zip archive cannot lose a member: the others move into a new one.
    rewritten = path.with_name(f"{path.name}.rewritten")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(rewritten, "w") as new:
        for member in old.infolist():
            if member.filename != CARD_MEMBER:
                with old.open(member) as source, new.open(member, "w", force_zip64=True) as target:
                    shutil.copyfileobj(source, target, _CHUNK_BYTES)
        new.writestr(CARD_MEMBER, text)
    rewritten.replace(path)


def _card_of_onnx(path: Path) -> str | None:
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    return next((entry.value for entry in model.metadata_props if entry.key == CARD), None)


def _embed_in_onnx(path: Path, text: str) -> None:
    import onnx

    model = onnx.load_model(path, load_external_data=False)
    kept = [entry for entry in model.metadata_props if entry.key != CARD]
    del model.metadata_props[:]
    model.metadata_props.extend([*kept, onnx.StringStringEntryProto(key=CARD, value=text)])
    path.write_bytes(model.SerializeToString())


def sha256_of(path: Path) -> str:
    """All 64 hexadecimal digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a model goes.

    Attributes:
        folder: a local folder or `gs://bucket[/prefix]`, as its user wrote it: a job's pattern in the same form
            gives results the same `model_id`.
        name: the file's name; None for one that is made up so that it collides with none.
    """

    folder: str
    name: str | None

    @property
    def remote(self) -> bool:
        """Whether it lies in a bucket."""
        return self.folder.startswith("gs://")

    def address(self, name: str) -> str:
        """The URI of a file of this name here."""
        return f"{self.folder.rstrip('/')}/{name}" if self.remote else os.path.join(self.folder, name)  # noqa: PTH118


def read_destination(text: str) -> Destination:
    """What a DESTINATION means: a file where it ends in a model's suffix and is no folder, else a folder or prefix.

    Raises:
        PublishError: a pattern, a bucket without a name, or a storage that cannot be published to.
    """
    scheme, separator, rest = text.partition("://")
    if separator and (scheme != "gs" or not rest.split("/")[0]):
        raise PublishError(f"{text} is not a place to publish to; a local folder or gs://BUCKET/FOLDER/ is expected")
    if not text or any(character in text for character in "*?["):
        raise PublishError(f"{text!r} is a pattern; give the folder alone, or a file name")
    is_file = PurePosixPath(text).suffix.lower() in MODEL_SUFFIXES and not text.endswith("/")
    if separator:
        folder, _, name = text.rpartition("/")
        return Destination(folder, name) if is_file and folder != "gs:/" else Destination(text, None)
    if is_file and not Path(text).is_dir():
        return Destination(*os.path.split(text))
    return Destination(text, None)


def checked_name(name: str, kind: FileKind) -> str:
    """A name that a user chose for a published file.

    Raises:
        PublishError: its suffix promises another kind of file than this is.
    """
    expected = _SUFFIX_OF_KIND[kind]
    if PurePosixPath(name).suffix.lower() not in expected:
        raise PublishError(f"{name} is not a fitting name for this file; it should end in {' or '.join(expected)}")
    return name


def name_of_its_own(model_name: str, kind: FileKind, sha256: str, now: datetime | None = None) -> str:
    """`STEM-yyyymmddThhmmssZ-HHHHHHHHHHHH.SUFFIX`: other bytes, or a later time, make another name.

    Args:
        model_name: the file's present name.
        kind: what the file is.
        sha256: of its bytes.
        now: the present time where None.
    """
    own = PurePosixPath(model_name)
    suffix = own.suffix.lower() if own.suffix.lower() in _SUFFIX_OF_KIND[kind] else _SUFFIX_OF_KIND[kind][0]
    time = (now or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{model_stem(model_name)}-{time}-{sha256[:DIGEST_DIGITS]}{suffix}"


def model_stem(model_name: str) -> str:
    """A file's name without its extension, without what an earlier publishing added, fit for any file system."""
    stem = _PUBLISHED_NAME.sub("", PurePosixPath(model_name).stem)
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.")[:_LONGEST_STEM] or "model"


def publish_locally(source: Path, target: str, told: Told = lambda size: None) -> None:
    """Copies a file to `target` in one step: nobody ever sees a part of it, and no file is replaced.

    The copy is written under a hidden name in the same folder, which no pattern for models matches, brought to
    the disk, and only then named.

    Raises:
        NameTaken: there is a file of this name.
        OSError: the folder cannot be written.
    """
    folder, name = Path(target).parent, Path(target).name
    partial = folder / f".{name[:_LONGEST_STEM]}.partial-{secrets.token_hex(4)}"
    try:
        with source.open("rb") as reading, partial.open("xb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                writing.write(chunk)
                told(len(chunk))
            writing.flush()
            os.fsync(writing.fileno())
        _name_once(partial, Path(target))
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(folder)


def _name_once(partial: Path, target: Path) -> None:
    """Gives `partial` its name, unless that is taken: `rename` would replace, `link` refuses."""
    try:
        os.link(partial, target)
    except FileExistsError as error:
        raise NameTaken(str(target)) from error
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        _reserve_and_rename(partial, target)


def _reserve_and_rename(partial: Path, target: Path) -> None:
    """For file systems without hard links: an empty file takes the name first.

    A watcher that looks in between sees a file that does not hold still yet, and leaves it alone.
    """
    try:
        target.open("xb").close()
    except FileExistsError as error:
        raise NameTaken(str(target)) from error
    try:
        partial.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every file system can; the file itself is on the disk
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
