"""What is known of the models of one pattern, in one place for all who read it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from models.artefacts import DEFAULT_MAX_VALUES, FORMAT, EngineChoice
from models.errors import MACHINE_FAULTS, ModelRejected
from models.memory import machine_bytes
from models.printable import logger
from models.registry.claims import Claims
from models.registry.forms import CompiledForms
from models.registry.pointer import LivePointer
from models.registry.records import Judgement
from models.storage import StoredFile
from models.storage.objects import ObjectStore
from models.trials.kept import KeptTrials
from models.version import VERSION

_LOGGER = logger(__name__)

_DIGITS = 24
_LONGEST_STEM = 60
_NO_RULES = "any"
_MORE_MEMORY = 1.1
"""Times that of the machine which rejected a file, before another tries."""


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
        return f"{VERSION}-{FORMAT}-{self.engine}-{self.rules or _NO_RULES}"

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
        forgets: whether rejections that tell of the machine in an earlier hour are tried again by each run.

    Attributes:
        pattern: of the model files.
        forms: the compiled forms.
        live: the pointer.
        trials: what is gathered of the pattern's trials.
    """

    def __init__(
        self,
        objects: ObjectStore,
        pattern: str,
        terms: Terms,
        claims: Claims | None = None,
        forgets: bool = False,
    ) -> None:
        self.pattern = pattern
        self._objects = objects
        self._terms = terms
        self._forgets = forgets
        self._names: Sequence[str] | None = None
        self._claims = claims or Claims(objects)
        self.forms = CompiledForms(objects)
        rules = f"-{terms.rules}" if terms.rules else ""
        anywhere = wherever_one_is(pattern)
        name = f"{_name_of(anywhere)}{rules}"
        self.live = LivePointer(objects, f"live/{name}.json", anywhere)
        self.trials = KeptTrials(objects, f"trials/{name}/")

    @property
    def signed(self) -> bool:
        """Whether a verdict depends on a file's signature too."""
        return bool(self._terms.trusted_keys)

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self._objects.address

    def models_among(self, files: Iterable[StoredFile]) -> list[StoredFile]:
        """The files that are not the registry's own, where a pattern reaches into it."""
        places = (self.address, str(Path(self.address).absolute()))
        return [file for file in files if not file.uri.startswith(tuple(f"{place}/" for place in places))]

    def judgement(self, file: StoredFile) -> Judgement | None:
        """What is known of this version of a file, and counts here.

        Raises:
            StorageUnavailable: nobody knows.
        """
        found = self._objects.read(self._verdict(file))
        if found is None:
            return None
        try:
            known = Judgement.decode(found.data, file)
        except ValueError as error:
            _LOGGER.warning("the verdict on %s in %s is not believed: it %s", file.uri, self.address, error)
            return None
        return None if self._may_be_otherwise_here(known) else known

    def judgement_on_other_terms(self, file: StoredFile) -> Judgement | None:
        """What somebody with another engine or version of this program, and the same rules, knows of a file.

        Raises:
            StorageUnavailable: nobody knows.
        """
        wanted = f"-{self._terms.rules or _NO_RULES}/{_name_of(file.uri, file.version)}.json"
        if self._names is None:
            self._names = self._objects.names("verdicts/")
        for name in self._names:
            found = self._objects.read(name) if name.endswith(wanted) else None
            if found is not None:
                with contextlib.suppress(ValueError):
                    return Judgement.decode(found.data, file)
        return None

    def record(self, file: StoredFile, judgement: Judgement) -> Judgement:
        """Keeps a verdict, unless there is one that counts; which of them stands.

        Raises:
            StorageUnavailable: it could not be written.
        """
        name = self._verdict(file)
        if self._objects.swap(name, judgement.encode(), None) is not None:
            return judgement
        if (known := self.judgement(file)) is not None:
            return known
        found = self._objects.read(name)  # it is no verdict, or was another machine's
        if self._objects.swap(name, judgement.encode(), found.version if found else None) is not None:
            return judgement
        return self.judgement(file) or judgement

    def _may_be_otherwise_here(self, known: Judgement) -> bool:
        """Whether it is a rejection that tells of the machine, and this one has more, or there is none to speak for."""
        verdict = known.verdict
        if not isinstance(verdict, ModelRejected) or verdict.fault not in MACHINE_FAULTS:
            return False
        return self._forgets or machine_bytes() > _MORE_MEMORY * known.memory

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


def wherever_one_is(pattern: str) -> str:
    """A pattern that means the same in every folder; other than one that is written out, whose files are too."""
    return pattern if "://" in pattern or pattern.startswith("/") else f"{Path.cwd()}/./{pattern}"


def _name_of(address: str, version: str = "") -> str:
    """A file name of an address: readable, and of no other address or version."""
    told = f"{address}\n{version}".encode("utf-8", "surrogatepass")
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", address).strip("-.")[-_LONGEST_STEM:]
    return f"{stem}-{hashlib.sha256(told).hexdigest()[:_DIGITS]}"
