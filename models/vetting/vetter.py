"""From a file in storage to a compiled model on disk, or a reason why not."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.artefacts import (
    DEFAULT_ENGINE,
    DEFAULT_LARGEST_BATCH,
    DEFAULT_MAX_VALUES,
    ONNX_FILE,
    Artefact,
    EngineChoice,
    Vetted,
)
from models.errors import (
    ModelFault,
    ModelRejected,
    VettingDisturbed,
    VettingStarved,
    VettingStopped,
    VettingTooCostly,
    one_line,
)
from models.memory import machine_bytes
from models.model_files import MODEL_SUFFIXES, needs_keras
from models.printable import logger
from models.reference import DIGEST_DIGITS, ModelReference, sha256_of
from models.registry.cache import ArtefactCache
from models.registry.forms import CompiledForms
from models.signatures.beside import read_signature
from models.signatures.trusted import TrustedKeys
from models.storage import ReadableFile, Storage
from models.storage.errors import StorageUnavailable
from models.vetting.child_process import ChildProcess
from models.vetting.frameworks import has_keras, require_installed, require_keras_for
from models.vetting.job import Job

_LOGGER = logger(__name__)

_CHUNK_BYTES = 1 << 20
_SPARE_SECONDS = 60.0
_LEAST_MEMORY = 2 << 30
_DISTURBANCES = 3
"""After so many it is the file's doing."""
_QUANTIZING = 5
"""Times as long as vetting: each of some hundred images is computed one by one, with all that is in between."""


@dataclass(frozen=True, slots=True)
class VettingLimits:
    """What one candidate may take.

    Attributes:
        seconds: of processor time, or twice as many of wall time; by `seconds_for` where None.
        memory_bytes: in the vetting child, beyond its libraries; by `memory_for` where None.
        file_bytes: size of the file.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int = 2 << 30


def seconds_for(file_bytes: int) -> float:
    """How much processor time vetting a file may take: three minutes, and one more for each 256 MiB."""
    return 180.0 + 60.0 * file_bytes / (256 << 20)


def memory_for(file_bytes: int, machine: int) -> int:
    """What vetting a file may take: more on a machine that has more, and never all of it.

    Args:
        file_bytes: size of the file; its weights are held three times while they are compiled.
        machine: bytes of memory.
    """
    return min(max(_LEAST_MEMORY + 3 * file_bytes, machine // 4), machine * 3 // 4)


class Vetter:
    """Vets candidates, each in a child process of its own. Threads may call it side by side.

    Args:
        storage: where the candidates' bytes are.
        cache: where compiled models are kept.
        choice: the engine that the user asked for.
        largest_batch: the largest batch in use.
        limits: what one candidate may take.
        forms: where a fleet shares its compiled models; nowhere where None.
        max_values: numbers that a result may tell of a model's outputs as they are.
        trusted: keys and certificates in PEM, of which one must have signed a model; it needs no signature where
            there are none.
    """

    def __init__(
        self,
        storage: Storage,
        cache: ArtefactCache,
        choice: EngineChoice = DEFAULT_ENGINE,
        largest_batch: int = DEFAULT_LARGEST_BATCH,
        limits: VettingLimits = VettingLimits(),
        forms: CompiledForms | None = None,
        max_values: int = DEFAULT_MAX_VALUES,
        trusted: Sequence[str] = (),
    ) -> None:
        self._storage = storage
        self._trusted = TrustedKeys(trusted) if trusted else None
        self._cache = cache
        self._choice = choice
        self._batch_sizes = tuple(sorted({1, 2, max(1, largest_batch)}))
        self._limits = limits
        self._forms = forms
        self._max_values = max_values
        self._lock = threading.Lock()
        self._spare: tuple[ChildProcess, float] | None = None
        self._running: set[ChildProcess] = set()
        self._closed = False

    def vet(self, uri: str) -> Vetted:
        """Fetches a file once, digests it on the way, and vets those bytes.

        Raises:
            ModelRejected: with the reason.
            FileNotFoundError, StorageUnavailable: from storage; nothing was found out.
            VettingFailed, OSError: from this machine; nothing was found out.
            VettingStopped: `close` was called.
        """
        return self._vet(uri, expected=None)

    def obtain(self, reference: ModelReference) -> Vetted:
        """The compiled form of a model that was already vetted, here or by another worker.

        Raises:
            ModelRejected: `changed_while_reading` where the file now holds other bytes, or another reason.
            FileNotFoundError, StorageUnavailable: from storage; nothing was found out.
            VettingFailed, OSError: from this machine; nothing was found out.
            VettingStopped: `close` was called.
        """
        artefact = self._cache.find(reference.sha256, self._choice)
        if artefact is None and self._forms is not None:
            with self._cache.workspace() as workspace:
                artefact = self._from_fleet(reference.sha256, workspace)
        return self._vetted(reference, artefact) if artefact else self._vet(reference.uri, reference.sha256)

    def share(self, vetted: Vetted) -> None:
        """Has a fleet find the compiled form of a model, where it does not yet.

        Raises:
            StorageUnavailable: it could not be written.
        """
        if self._forms is None or self._forms.has(vetted.reference.sha256, self._choice):
            return
        with self._cache.workspace() as workspace:
            self._forms.offer(vetted.artefact, self._choice, workspace)

    def quantize(self, path: Path, calibration: Path, target: Path) -> None:
        """Writes a model, whatever kind of file it is, as ONNX that computes in 8 bits.

        Args:
            path: of the model.
            calibration: a batch of images as the model takes them, shape (n, …), as `.npy`.
            target: the file to write.

        Raises:
            ModelRejected: with the reason.
            VettingFailed, OSError: from this machine; nothing was found out.
            VettingStopped: `close` was called.
        """
        require_keras_for(path.name)
        job = self._job(path, sha256_of(path))
        seconds = self._limits.seconds or _QUANTIZING * job.seconds
        job = replace(job, seconds=seconds, calibration=str(calibration))
        child = self._take_child(needs_keras(path.name), hurried=True)  # somebody waits for it
        try:
            child.quantize(job)
            written = child.built / ONNX_FILE
            if written.is_symlink() or not written.is_file():
                raise ModelRejected(ModelFault.CRASHED, "quantizing left no model")
            shutil.move(written, target)
        except VettingDisturbed as trouble:
            raise trouble.verdict from trouble
        except VettingTooCostly as trouble:
            raise ModelRejected(
                ModelFault.TOO_LARGE,
                f"quantizing it took too much memory: {one_line(trouble)}; "
                "use a machine with more, or make the model smaller",
            ) from trouble
        finally:
            self._ended(child)

    def prepare(self, keras: bool = True) -> None:
        """Starts a child now, since a candidate is about to be vetted; it gives up after a minute unused."""
        with self._lock:
            if self._spare is None and not self._closed:
                self._spare = (ChildProcess(keras and has_keras(), self._cache.workspace()), time.monotonic())

    def tidy(self) -> None:
        """Ends a child that was prepared in vain."""
        with self._lock:
            if self._spare is None or time.monotonic() - self._spare[1] < _SPARE_SECONDS:
                return
            child, self._spare = self._spare[0], None
        child.close()

    def close(self) -> None:
        """Ends every child; vetting under way raises `VettingStopped`."""
        with self._lock:
            self._closed = True
            children = list(self._running)
            if self._spare is not None:
                self._spare[0].close()
                self._spare = None
        for child in children:
            child.stop()

    def _vet(self, uri: str, expected: str | None) -> Vetted:
        with self._cache.workspace() as workspace:
            suffix = Path(uri).suffix.lower()
            path = workspace / f"candidate{suffix if suffix in MODEL_SUFFIXES else ''}"
            sha256 = self._fetch(uri, path)
            reference = ModelReference(uri, sha256)
            if expected is not None and expected != sha256:
                before = ModelReference(uri, expected)
                raise ModelRejected(
                    ModelFault.CHANGED_WHILE_READING,
                    f"the file now holds sha256:{reference.digest}, no longer sha256:{before.digest}; keep it still",
                    before.model_id,
                )
            try:
                signed_by = self._signer_of(uri, path)
                artefact = self._cache.find(sha256, self._choice)
                if artefact is None and expected is None:  # who expects certain bytes has asked the fleet already
                    artefact = self._from_fleet(sha256, workspace)
                if artefact is None:
                    artefact = self._compile(path, sha256, workspace)
            except ModelRejected as rejection:
                raise ModelRejected(rejection.fault, rejection.detail, reference.model_id) from rejection
            return replace(self._vetted(reference, artefact), signed_by=signed_by)

    def _signer_of(self, uri: str, path: Path) -> str:
        """Who signed a model's bytes; "" where nobody need have.

        Raises:
            ModelRejected: `unsigned` or `bad_signature`.
            StorageUnavailable: the storage gave no answer.
        """
        return self._trusted.require_signed(path, read_signature(self._storage, uri)) if self._trusted else ""

    def _vetted(self, reference: ModelReference, artefact: Artefact) -> Vetted:
        """A model without a name in its card is named after its file.

        Raises:
            ModelRejected: `wrong_output`; what was compiled once may tell more numbers than are wanted here.
            KerasMissing: TensorFlow executes it, and is not installed.
        """
        manifest = artefact.manifest
        require_installed(manifest.engine)
        try:
            manifest.require_values_within(self._max_values)
        except ModelRejected as rejection:
            raise ModelRejected(rejection.fault, rejection.detail, reference.model_id) from rejection
        name = manifest.card.name or reference.file_name
        return Vetted(reference, replace(artefact, manifest=replace(manifest, card=replace(manifest.card, name=name))))

    def _fetch(self, uri: str, path: Path) -> str:
        sha256 = hashlib.sha256()
        size = 0
        with contextlib.closing(self._storage.open(uri)) as source, path.open("wb") as target:
            while chunk := _read(uri, source):
                size += len(chunk)
                if size > self._limits.file_bytes:
                    allowed = f"{self._limits.file_bytes:,} bytes"
                    raise ModelRejected(
                        ModelFault.TOO_LARGE, f"the file is larger than {allowed}; make the model smaller"
                    )
                if self._closed:
                    raise VettingStopped
                sha256.update(chunk)
                target.write(chunk)
        return sha256.hexdigest()

    def _compile(self, path: Path, sha256: str, workspace: Path) -> Artefact:
        require_keras_for(path.name)
        size, machine = path.stat().st_size, machine_bytes()
        if 2 * size > machine:
            raise ModelRejected(
                ModelFault.TOO_LARGE,
                f"the model is too large to serve: its {size >> 20:,} MiB are in memory twice while it is compiled, "
                f"and this machine has {machine >> 20:,}; make it smaller",
            )
        artefact = self._vetted_somehow(self._job(path, sha256), needs_keras(path.name))
        if self._forms is not None:
            try:
                self._forms.offer(artefact, self._choice, workspace)
            except Exception as error:  # whatever a storage raises, the model is compiled and can be served
                _LOGGER.warning("the compiled form of sha256:%s could not be shared: %s", sha256, error)
        return artefact

    def _job(self, path: Path, sha256: str) -> Job:
        size = path.stat().st_size
        return Job(
            path=str(path),
            sha256=sha256,
            name="",  # the cache keeps bytes, which may lie under several names
            choice=self._choice,
            batch_sizes=self._batch_sizes,
            memory_bytes=self._limits.memory_bytes or memory_for(size, machine_bytes()),
            seconds=self._limits.seconds or seconds_for(size),
        )

    def _vetted_somehow(self, job: Job, keras: bool) -> Artefact:
        """Vets it, again where that tells more of this machine than of the model.

        Raises:
            ModelRejected: with the reason.
        """
        hurried = False
        disturbances = 0
        while True:
            try:
                return self._compiled(job, self._take_child(keras, hurried))
            except VettingStarved:
                _LOGGER.info("vetting gets no processor on this busy machine; again, with a claim to a tenth of it")
                hurried = True
            except VettingDisturbed as trouble:
                disturbances += 1
                if disturbances == _DISTURBANCES:
                    raise trouble.verdict from trouble
                _LOGGER.info("vetting was disturbed (%s); again", one_line(trouble))
            except VettingTooCostly as trouble:
                if job.lean:
                    raise ModelRejected(
                        ModelFault.TOO_LARGE,
                        f"vetting it took too much memory, two images at a time too: {one_line(trouble)}; "
                        "use a machine with more, or make the model smaller",
                    ) from trouble
                _LOGGER.info("vetting took too much memory (%s); again, two images at a time", trouble)
                job = replace(job, lean=True)

    def _compiled(self, job: Job, child: ChildProcess) -> Artefact:
        try:
            manifest = child.vet(job)
            return self._cache.store(child.built, manifest, self._choice)
        finally:
            self._ended(child)

    def _ended(self, child: ChildProcess) -> None:
        with self._lock:
            self._running.discard(child)
        child.close()

    def _from_fleet(self, sha256: str, workspace: Path) -> Artefact | None:
        found = self._forms.fetch(sha256, self._choice, workspace) if self._forms is not None else None
        if found is None:
            return None
        try:
            return self._cache.store(*found, self._choice)
        except ModelRejected as rejection:  # which is about the archive; the candidate has not been looked at
            _LOGGER.warning("the shared compiled model of %s is of no use: %s", sha256[:DIGEST_DIGITS], rejection)
            return None

    def _take_child(self, keras: bool, hurried: bool = False) -> ChildProcess:
        with self._lock:
            if self._closed:
                raise VettingStopped
            child = None
            if self._spare is not None and not self._spare[0].is_alive:
                self._spare[0].close()
                self._spare = None
            if self._spare is not None and not hurried and (self._spare[0].keras or not keras):
                child, self._spare = self._spare[0], None
            if child is None:
                child = ChildProcess(keras, self._cache.workspace(), hurried)
            self._running.add(child)
            return child


def _read(uri: str, source: ReadableFile) -> bytes:
    try:
        return source.read(_CHUNK_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable(f"{uri}: {error.strerror or error}") from error
