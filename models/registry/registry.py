"""What is known of the models of one pattern, in one place for all who read it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from models.artefacts import DEFAULT_MAX_VALUES, FORMAT, EngineChoice
from models.printable import logger
from models.registry.claims import Claims
from models.registry.forms import CompiledForms
from models.registry.pointer import LivePointer
from models.registry.records import Judgement
from models.storage import StoredFile
from models.storage.objects import ObjectStore
from models.version import VERSION

_LOGGER = logger(__name__)

_DIGITS = 24
_LONGEST_STEM = 60


class Terms(NamedTuple):
    """What a verdict depends on beside the file: who vets on the same terms comes to the same verdict.

    Attributes:
        engine: what the user asked for.
        max_values: numbers that a result may tell.
        trusted_keys: in PEM.
    """

    engine: EngineChoice
    max_values: int
    trusted_keys: Sequence[str] = ()

    @property
    def name(self) -> str:
        """Of the folder of verdicts that were come to on these terms, by this version."""
        return f"{VERSION}-{FORMAT}-{self.engine}-{self.rules or 'any'}"

    @property
    def rules(self) -> str:
        """Of what may go live at all: readers with other rules have a pointer of their own. "" for the usual ones."""
        if self.max_values == DEFAULT_MAX_VALUES and not self.trusted_keys:
            return ""
        return hashlib.sha256(repr((self.max_values, sorted(self.trusted_keys))).encode()).hexdigest()[:12]


class Registry:
    """Verdicts, claims, compiled forms and the pointer, of one pattern on the same terms.

    Args:
        objects: where all of it is kept.
        pattern: of the model files.
        terms: of verdicts.
        claims: of this process; made here where None.

    Attributes:
        pattern: of the model files.
        forms: the compiled forms.
        live: the pointer.
    """

    def __init__(self, objects: ObjectStore, pattern: str, terms: Terms, claims: Claims | None = None) -> None:
        self.pattern = pattern
        self._objects = objects
        self._terms = terms
        self._claims = claims or Claims(objects)
        self.forms = CompiledForms(objects)
        rules = f"-{terms.rules}" if terms.rules else ""
        anywhere = _wherever_one_is(pattern)
        self.live = LivePointer(objects, f"live/{_name_of(anywhere)}{rules}.json", anywhere)

    @property
    def signed(self) -> bool:
        """Whether a verdict depends on a file's signature too."""
        return bool(self._terms.trusted_keys)

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self._objects.address

    def judgement(self, file: StoredFile) -> Judgement | None:
        """What is known of this version of a file.

        Raises:
            StorageUnavailable: nobody knows.
        """
        found = self._objects.read(self._verdict(file))
        if found is None:
            return None
        try:
            return Judgement.decode(found.data, file)
        except ValueError as error:
            _LOGGER.warning("the verdict on %s in %s is not believed: it %s", file.uri, self.address, error)
            return None

    def judgement_on_other_terms(self, file: StoredFile) -> Judgement | None:
        """What somebody with another engine or version of this program knows of this version of a file.

        Raises:
            StorageUnavailable: nobody knows.
        """
        for name in self._objects.names("verdicts/"):
            found = self._objects.read(name) if name.endswith(f"/{_name_of(file.uri, file.version)}.json") else None
            if found is not None:
                with contextlib.suppress(ValueError):
                    return Judgement.decode(found.data, file)
        return None

    def record(self, file: StoredFile, judgement: Judgement) -> Judgement:
        """Keeps a verdict, unless there is one; which of them stands.

        Raises:
            StorageUnavailable: it could not be written.
        """
        name = self._verdict(file)
        if self._objects.swap(name, judgement.encode(), None) is not None:
            return judgement
        known = self.judgement(file)
        if known is not None:
            return known
        found = self._objects.read(name)  # whatever lies there is no verdict
        self._objects.swap(name, judgement.encode(), found.version if found else None)
        return judgement

    def claim(self, file: StoredFile) -> bool:
        """Whether this process is the one to vet this version of a file.

        Raises:
            StorageUnavailable: nobody knows.
        """
        return self._claims.take(self._claim(file), file.uri)

    def note_outage(self) -> None:
        """Somebody got no answer from where the registry is."""
        self._claims.note_outage()

    def release(self, file: StoredFile) -> None:
        """Lets go of a claim."""
        self._claims.release(self._claim(file))

    def close(self) -> None:
        """Lets go of all claims."""
        self._claims.close()

    def _verdict(self, file: StoredFile) -> str:
        return f"verdicts/{self._terms.name}/{_name_of(file.uri, file.version)}.json"

    def _claim(self, file: StoredFile) -> str:
        return f"claims/{self._terms.name}/{_name_of(file.uri, file.version)}.json"


def _wherever_one_is(pattern: str) -> str:
    """A pattern that means the same in every folder; other than one that is written out, whose files are too."""
    return pattern if "://" in pattern or pattern.startswith("/") else f"{Path.cwd()}/./{pattern}"


def _name_of(address: str, version: str = "") -> str:
    """A file name of an address: readable, and of no other address or version."""
    told = f"{address}\n{version}".encode("utf-8", "surrogatepass")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", address).strip("-.")[-_LONGEST_STEM:]
    return f"{stem}-{hashlib.sha256(told).hexdigest()[:_DIGITS]}"
