"""A model is taken away: its compiled forms, the verdicts on it, its signature, and its file, in that order.

Whoever reads the folder meanwhile finds a model that it must compile anew, then, if it asks for signatures, one that
nobody signed, then none: nothing else. What was begun and not finished is finished by whoever begins again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from models.reference import DIGEST_DIGITS
from models.registry.cache import ArtefactCache
from models.registry.holdings import Holdings, Noted, place_of
from models.registry.records import Pointer
from models.releasing.quantized import SILENT, Telling
from models.signatures.beside import SIGNATURE_SUFFIX, alone, list_models
from models.storage import Storage, StoredFile, WritableStorage
from models.storage.errors import InvalidAddress, StorageUnavailable
from models.storage.files import changed_meanwhile
from models.storage.patterns import literally

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """What a registry holds of a model.

    Attributes:
        holdings: the registry's.
        forms: names of what was compiled of its bytes, those left out that others need.
        verdicts: names of those on the file.
        of_others: names of the other verdicts.
    """

    holdings: Holdings
    forms: Sequence[str]
    verdicts: Sequence[str]
    of_others: Collection[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """What is there of a model, and goes.

    Attributes:
        uri: of its file, as the user wrote it.
        file: None where it is gone, and other things are left.
        signature: beside it; None where there is none.
        digests: SHA-256 of its bytes, and of earlier ones that registries know of.
        needed: those of them that another file has too, each with its address: their compiled forms stay.
        cache: of this machine.
        compiled: digests of those that this machine's cache holds something of, and that go.
        held: by each registry.
    """

    uri: str
    file: StoredFile | None
    signature: StoredFile | None
    digests: Sequence[str]
    needed: Mapping[str, str]
    cache: ArtefactCache
    compiled: Sequence[str]
    held: Sequence[Held] = field(default=())

    def steps(self) -> Iterator[str]:
        """What is going to be done, in its order; a line each."""
        for digest in self.compiled:
            told = f"sha256:{digest[:DIGEST_DIGITS]} ({', '.join(self.cache.choices_of(digest))})"
            yield f"remove the compiled form of {told} in {self.cache.folder}"
        for held in self.held:
            if held.forms:
                yield f"remove compiled forms in {held.holdings.address} ({len(held.forms)} objects)"
        for held in self.held:
            if held.verdicts:
                yield f"remove verdicts in {held.holdings.address} ({len(held.verdicts)})"
        for digest, holder in self.needed.items():
            yield f"keep the compiled form of sha256:{digest[:DIGEST_DIGITS]}: {holder} has the same bytes"
        if self.signature is not None:
            yield f"remove the signature {self.signature.uri}"
        if self.file is not None:
            yield f"remove the file {self.file.uri} ({self.file.size:,} bytes)"

    def carry_out(self, storage: WritableStorage, telling: Telling = SILENT) -> None:
        """Does it. What readers have made of the model meanwhile goes last.

        Raises:
            NotWritten: the file has changed since, and stays with its signature; or something may not be removed.
            StorageUnavailable: no answer; what is gone by then is gone, and another call does the rest.
            CacheUnusable: this machine's cache cannot be written.
        """
        self._require_unchanged(storage)
        with telling.step(f"taking away what was compiled of {self.uri}"):
            self._take_compiled()
        for held in self.held:
            held.holdings.remove(held.verdicts)
        self._require_unchanged(storage)
        for each in (self.signature, self.file):
            if each is not None:
                storage.remove(each)
        with telling.step("looking for what was made of it meanwhile"):
            self._take_compiled()
            for held in self.held:
                late = _on(self.uri, self.file, held.holdings.verdicts(but=held.of_others))
                held.holdings.remove(each.name for each in late)

    def _take_compiled(self) -> None:
        for digest in (digest for digest in self.digests if digest not in self.needed):
            self.cache.remove(digest)
            for held in self.held:
                held.holdings.remove(held.holdings.forms(digest))

    def _require_unchanged(self, storage: Storage) -> None:
        now = look_up(storage, self.uri)
        if self.file is not None and now is not None and now != self.file:
            raise changed_meanwhile(self.file)


def plan_removal(
    storage: Storage,
    uri: str,
    cache: ArtefactCache,
    registries: Iterable[Holdings],
    pattern: str | None = None,
    telling: Telling = SILENT,
) -> Removal:
    """Finds out what there is of a model; changes nothing.

    Args:
        storage: where its file is.
        uri: of its file.
        cache: of this machine.
        registries: that may know of it.
        pattern: lists files that may have the same bytes, beside those of its own folder.
        telling: is told what takes long.

    Raises:
        FileNotFoundError: there is nothing of it.
        NotWritten: the file was changed while it was read.
        StorageUnavailable: the storage, or a registry, gave no answer.
        InvalidAddress: no file can have this name.
    """
    file, signature = look_up(storage, uri), look_up(storage, uri + SIGNATURE_SUFFIX)
    present = None
    if file is not None:
        with telling.step(f"reading {uri}"):
            present = _digest(storage, file)
            if look_up(storage, uri) != file:
                raise changed_meanwhile(file)
    with telling.step("reading what is known of it"):
        noted = [(each, each.pointers(), each.verdicts()) for each in registries]
    own = [on for _, _, verdicts in noted for on in _on(uri, file, verdicts)]
    known = [on.accepted.sha256 for on in own if on.accepted is not None]
    digests = list(dict.fromkeys([*([present] if present else []), *known]))
    if file is None and signature is None and not own:
        raise FileNotFoundError(uri)
    needed = dict(_needed(storage, uri, digests, noted))
    if file is not None and present is not None and present not in needed:
        with telling.step("looking for other files with the same bytes"):
            twin = _twin(storage, file, present, pattern)
        needed |= {present: twin} if twin else {}
    gone = [digest for digest in digests if digest not in needed]
    held = []
    for each, _, verdicts in noted:
        on_it = [on.name for on in _on(uri, file, verdicts)]
        forms = [name for digest in gone for name in each.forms(digest)]
        held.append(Held(each, forms, on_it, {on.name for on in verdicts}.difference(on_it)))
    compiled = [digest for digest in gone if cache.choices_of(digest)]
    return Removal(uri, file, signature, digests, needed, cache, compiled, held)


def look_up(storage: Storage, uri: str) -> StoredFile | None:
    """The file of this very name; None where there is none.

    Raises:
        StorageUnavailable, InvalidAddress: see `Storage.list`.
    """
    return next(iter(storage.list(literally(uri))), None)


def pattern_of(uri: str) -> str:
    """Of the files beside a model that bear the same extension."""
    folder, slash, name = uri.rpartition("/")
    return f"{literally(folder)}{slash}*{literally(PurePosixPath(name).suffix)}"


def _on(uri: str, file: StoredFile | None, verdicts: Iterable[Noted]) -> list[Noted]:
    """Those on this file.

    An address that is not absolute names other files in other folders: then the version must be the file's too.
    """
    place, name = place_of(uri), PurePosixPath(uri).name
    found = []
    for each in verdicts:
        told = each.judgement
        if "://" in told.uri or PurePosixPath(told.uri).is_absolute():
            own = place_of(told.uri) == place
        else:
            own = file is not None and alone(told.version) == file.version and PurePosixPath(told.uri).name == name
        if own:
            found.append(each)
    return found


def _needed(
    storage: Storage,
    uri: str,
    digests: Collection[str],
    noted: Iterable[tuple[Holdings, Sequence[Pointer], Sequence[Noted]]],
) -> Iterator[tuple[str, str]]:
    """The digests that registries know of another file, which is there or live; and that file."""
    place = place_of(uri)
    for _, pointers, verdicts in noted:
        for pointer in pointers:
            for stated in (pointer.now.reference, *((pointer.trial.new,) if pointer.trial else ())):
                if stated.sha256 in digests and place_of(stated.uri, pointer.pattern) != place:
                    yield stated.sha256, stated.uri
        for each in verdicts:
            other = each.accepted
            if other is None or other.sha256 not in digests or place_of(other.uri) == place:
                continue
            if _is_there(storage, other.uri, alone(each.judgement.version)):
                yield other.sha256, other.uri


def _is_there(storage: Storage, uri: str, version: str) -> bool:
    """Whether a file still is this version, or may be."""
    try:
        found = look_up(storage, uri)
    except InvalidAddress:
        return False
    except StorageUnavailable:
        return True
    return found is not None and found.version == version


def _twin(storage: Storage, file: StoredFile, sha256: str, pattern: str | None) -> str | None:
    """Another file of the same bytes, in its folder or listed by the pattern."""
    folder, slash, _ = file.uri.rpartition("/")
    beside = f"{literally(folder)}{slash}*"
    seen = {place_of(file.uri)}
    for each in [*list_models(storage, beside), *(list_models(storage, pattern) if pattern else [])]:
        if each.size == file.size and place_of(each.uri) not in seen:
            seen.add(place_of(each.uri))
            if _digest(storage, each) == sha256:
                return each.uri
    return None


def _digest(storage: Storage, file: StoredFile) -> str | None:
    """The SHA-256 of a file's bytes; None where it is gone."""
    sha256 = hashlib.sha256()
    try:
        with closing(storage.open(file.uri)) as reading:
            while chunk := reading.read(_CHUNK_BYTES):
                sha256.update(chunk)
    except FileNotFoundError:
        return None
    return sha256.hexdigest()
