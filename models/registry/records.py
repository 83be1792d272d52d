"""What a registry tells of models, as JSON that people read and readers check: whoever wrote it may be a stranger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from models.artefacts import EngineChoice, Vetted
from models.card import Card
from models.card_fields import number, whole
from models.errors import ModelFault, ModelRejected
from models.events import worker_name
from models.memory import machine_bytes
from models.moments import rfc3339
from models.printable import json_text, printable
from models.reference import ModelReference
from models.storage import StoredFile
from models.storage.objects import MOST_OBJECT_BYTES

FORMAT = 1
MOST_CHANGES = 100
"""Of the pointer, that it remembers."""
MOST_TAGS = 100
"""Of a model, that a verdict tells; the first of them."""
_MOST_CARD_CHARACTERS = 1 << 15
"""Of a card as JSON, that a verdict tells: one with a thousand labels."""
_LONGEST_TEXT = 4000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST = 1 << 53
_MOST_PROCESSES = 1 << 22
"""Linux numbers no more: https://man7.org/linux/man-pages/man5/proc_sys_kernel.5.html"""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A file that may be served.

    Attributes:
        reference: its exact bytes.
        name: the card's name, else the file name without its extension.
        reason: which engine, why, and who signed it; for the `accepted` event.
        version: the card's.
        engine: what executes it.
        tags: the card's.
        card: all of it; None where it is too long to be kept, or an earlier version of this program wrote the verdict.
    """

    reference: ModelReference
    name: str
    reason: str = ""
    version: str = ""
    engine: str = ""
    tags: tuple[str, ...] = ()
    card: Card | None = None

    @classmethod
    def of(cls, vetted: Vetted) -> Accepted:
        """What is told of a vetted model."""
        manifest = vetted.artefact.manifest
        signed = f"; signed by {vetted.signed_by}" if vetted.signed_by else ""
        reason = manifest.engine_reason + signed
        card = manifest.card
        kept = card if len(json_text(card.to_json())) <= _MOST_CARD_CHARACTERS else None
        return cls(vetted.reference, vetted.name, reason, card.version, manifest.engine, card.tags[:MOST_TAGS], kept)


Verdict = Accepted | ModelRejected


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on one version of one file, as it is kept.

    Attributes:
        uri: of the file.
        version: as `StoredFile.version` tells it.
        verdict: what vetting said.
        seconds: how long that took.
        worker: who vetted it.
        memory: bytes that the machine has on which it was vetted.
        time: when, RFC 3339 in UTC.
    """

    uri: str
    version: str
    verdict: Verdict
    seconds: float = 0.0
    memory: int = field(default_factory=machine_bytes)
    worker: str = field(default_factory=worker_name)
    time: str = field(default_factory=rfc3339)

    def encode(self) -> bytes:
        """As JSON."""
        match self.verdict:
            case Accepted(reference, name, reason, card_version, engine, tags, card):
                told: dict[str, Any] = {"verdict": "accepted", "sha256": reference.sha256, "name": name}
                told |= {"card_version": card_version, "tags": list(tags), "engine": engine, "reason": reason}
                told |= {"card": card.to_json() if card else None}
            case ModelRejected(fault=fault, detail=detail, model_id=model_id):
                told = {"verdict": "rejected", "fault": str(fault), "detail": detail, "model_id": model_id}
        about = {"uri": self.uri, "version": self.version}
        how = {"seconds": round(self.seconds, 3), "memory": self.memory, "worker": self.worker, "time": self.time}
        return _encode(about | told | how)

    @classmethod
    def decode(cls, data: bytes, file: StoredFile) -> Judgement:
        """Reads what `encode` wrote of this file.

        Raises:
            ValueError: it is something else, or of another file.
        """
        read = cls.decode_any(data)
        if (read.uri, read.version) != (file.uri, file.version):
            raise ValueError("is about another file")
        return read

    @classmethod
    def decode_any(cls, data: bytes) -> Judgement:
        """Reads what `encode` wrote of whatever file.

        Raises:
            ValueError: it is something else.
        """
        with _reading(data) as value:
            uri, version = _exact(value["uri"]), _exact(value["version"])
            seconds, memory = number(value["seconds"], "seconds", 0.0), whole(value["memory"], "memory", 0, _MOST)
            worker, time = _text(value["worker"]), _text(value["time"])
            return cls(uri, version, _verdict(value, uri), seconds, memory, worker, time)


@dataclass(frozen=True, slots=True)
class Change:
    """What became live once.

    Attributes:
        epoch: greater means later; no two changes of one pointer have the same.
        reference: the model that has been live since.
        why: in a few words.
        by: who changed it.
        time: when, RFC 3339 in UTC by its writer's clock: for people, nothing is ordered by it.
    """

    epoch: int
    reference: ModelReference
    why: str
    by: str = field(default_factory=worker_name)
    time: str = field(default_factory=rfc3339)


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which model of a pattern is live.

    Attributes:
        pattern: of the model files.
        changes: oldest first; the last says what is live. At least one.
    """

    pattern: str
    changes: tuple[Change, ...]

    @property
    def now(self) -> Change:
        """What is live."""
        return self.changes[-1]

    def moved(self, change: Change) -> Pointer:
        """With one change more."""
        return Pointer(self.pattern, (*self.changes, change)[-MOST_CHANGES:])

    def encode(self) -> bytes:
        """As JSON."""
        changes = [
            {"epoch": each.epoch, "uri": each.reference.uri, "sha256": each.reference.sha256}
            | {"why": each.why, "by": each.by, "time": each.time}
            for each in self.changes
        ]
        return _encode({"pattern": self.pattern, "live": changes[-1], "changes": changes})

    @classmethod
    def decode(cls, data: bytes, pattern: str) -> Pointer:
        """Reads what `encode` wrote of this pattern.

        Raises:
            ValueError: it is something else, or of another pattern.
        """
        read = cls.decode_any(data)
        if read.pattern != pattern:
            raise ValueError("is about another pattern")
        return read

    @classmethod
    def decode_any(cls, data: bytes) -> Pointer:
        """Reads what `encode` wrote of whatever pattern.

        Raises:
            ValueError: it is something else.
        """
        with _reading(data) as value:
            pattern = _exact(value["pattern"])
            changes = tuple(map(_change, value["changes"][-MOST_CHANGES:]))
            epochs = [each.epoch for each in changes]
            if not epochs or epochs != sorted(set(epochs)) or _change(value["live"]) != changes[-1]:
                raise ValueError("contradicts itself")
            return cls(pattern, changes)


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody is vetting a file.

    Attributes:
        uri: of the file.
        owner: who, and which of its claims; nobody else ever has the same.
        processes: where the number of its process means something, a boot of a machine and a space of numbers there.
        process: its number.
        beats: grows for as long as the owner is alive.
        time: when it was written, for people.
    """

    uri: str
    owner: str
    processes: str
    process: int
    beats: int = 0
    time: str = field(default_factory=rfc3339)

    def encode(self) -> bytes:
        """As JSON."""
        return _encode(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Claim:
        """Reads what `encode` wrote.

        Raises:
            ValueError: it is something else.
        """
        with _reading(data) as value:
            process = whole(value["process"], "process", 1, _MOST_PROCESSES)
            beats = whole(value["beats"], "beats", 0, _MOST)
            texts = (_text(value[name]) for name in ("uri", "owner", "processes", "time"))
            uri, owner, processes, time = texts
            return cls(uri, owner, processes, process, beats, time)


@dataclass(frozen=True, slots=True)
class Form:
    """Which archive holds a compiled form.

    Attributes:
        source: the SHA-256 of the model's file.
        engine: the choice under which it was compiled.
        archive: the SHA-256 of the archive.
        size: its bytes.
    """

    source: str
    engine: EngineChoice
    archive: str
    size: int

    def encode(self) -> bytes:
        """As JSON."""
        return _encode(asdict(self))

    @classmethod
    def decode(cls, data: bytes, source: str) -> Form:
        """Reads what `encode` wrote of this source.

        Raises:
            ValueError: it is something else, or of another source.
        """
        with _reading(data) as value:
            if value["source"] != source or value["engine"] not in get_args(EngineChoice):
                raise ValueError("is about another model")
            return cls(source, value["engine"], _sha256(value["archive"]), whole(value["size"], "size", 1, _MOST))


def _encode(value: dict[str, Any]) -> bytes:
    return json_text({"format": FORMAT} | value, indent=1).encode("utf-8", "backslashreplace") + b"\n"


@contextmanager
def _reading(data: bytes) -> Iterator[dict[str, Any]]:
    """The JSON of an object; whatever is wrong with it is a `ValueError`."""
    if len(data) > MOST_OBJECT_BYTES:
        raise ValueError(f"has more than {MOST_OBJECT_BYTES:,} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("was not written by this version")
    try:
        yield value
    except (LookupError, TypeError, AttributeError, ModelRejected) as error:
        raise ValueError(f"lacks something, or has it otherwise: {error}") from error


def _verdict(value: dict[str, Any], uri: str) -> Verdict:
    if value["verdict"] == "accepted":
        name, reason = _text(value["name"]), _text(value["reason"])
        version, engine = _text(value["card_version"]), _text(value["engine"])
        # Earlier versions of this program wrote neither.
        tags, written = _texts(value.get("tags", [])), value.get("card")
        card = Card.from_json(written) if written is not None else None
        return Accepted(_reference(uri, value["sha256"]), name, reason, version, engine, tags, card)
    model_id = value["model_id"]
    if model_id is not None and not str(model_id).startswith(f"{uri}@sha256:"):
        raise ValueError("is about other bytes")
    return ModelRejected(ModelFault(value["fault"]), _text(value["detail"]), model_id)


def _change(value: dict[str, Any]) -> Change:
    epoch = whole(value["epoch"], "epoch", 1, _MOST)
    reference = _reference(_address(value["uri"]), value["sha256"])
    return Change(epoch, reference, _text(value["why"]), _text(value["by"]), _text(value["time"]))


def _reference(uri: str, sha256: Any) -> ModelReference:
    return ModelReference(uri, _sha256(sha256))


def _sha256(value: Any) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError("has no digest")
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError("has no address")
    return value


def _exact(value: Any) -> str:
    """What others compare with what they know."""
    if not isinstance(value, str):
        raise ValueError("has something else in place of a text")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("has something else in place of a text")
    return printable(value)[:_LONGEST_TEXT]


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("has something else in place of a list of texts")
    return tuple(map(_text, value[:MOST_TAGS]))
