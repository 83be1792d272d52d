"""What a registry tells of models, as JSON that people read and readers check: whoever wrote it may be a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from models.artefacts import Vetted
from models.card import Card
from models.card_fields import number, whole
from models.errors import ModelFault, ModelRejected
from models.events import worker_name
from models.memory import machine_bytes
from models.moments import rfc3339
from models.printable import json_text
from models.reference import ModelReference, Statement
from models.registry.fields import (
    GREATEST_WHOLE,
    MOST_TEXTS,
    address_from,
    encoded,
    exact_text,
    reading,
    reference_from,
    sha256_from,
    shown_text,
    shown_texts,
)
from models.registry.trial_records import ended_from, ended_to_json, trial_from, trial_to_json
from models.storage import StoredFile
from models.trials.trial import EndedTrial, Outcome, Trial

MOST_CHANGES = 100
"""Of the pointer, that it remembers."""
MOST_ENDED = 20
"""Trials that are over, that the pointer remembers."""
MOST_REFUSED = 3000
"""Models that were rolled back, that the pointer remembers: far more than their trials, lest they come round again."""
MOST_TAGS = MOST_TEXTS
"""Of a model, that a verdict tells; the first of them."""
_MOST_CARD_CHARACTERS = 1 << 15
"""Of a card as JSON, that a verdict tells: one with a thousand labels."""
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
        return encoded(about | told | how)

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
        with reading(data) as value:
            uri, version = exact_text(value["uri"]), exact_text(value["version"])
            seconds, memory = (
                number(value["seconds"], "seconds", 0.0),
                whole(value["memory"], "memory", 0, GREATEST_WHOLE),
            )
            worker, time = shown_text(value["worker"]), shown_text(value["time"])
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
    """Which model of a pattern is live, and which one is tried.

    Attributes:
        pattern: of the model files.
        changes: of what is live, oldest first; the last says what is. At least one.
        epoch: of what was last written of any of this; greater means later.
        trial: that is under way.
        ended: trials that are over, oldest first.
        refused: the SHA-256 of models that were rolled back, and that nobody has said since may be tried, or made live;
            the oldest first.
    """

    pattern: str
    changes: tuple[Change, ...]
    epoch: int
    trial: Trial | None = None
    ended: tuple[EndedTrial, ...] = ()
    refused: tuple[str, ...] = ()

    @classmethod
    def first(cls, pattern: str, change: Change) -> Pointer:
        """Of a pattern that had none."""
        return cls(pattern, (change,), change.epoch)

    @property
    def now(self) -> Change:
        """What is live."""
        return self.changes[-1]

    @property
    def statement(self) -> Statement:
        """What every worker is told of it."""
        return Statement(self.now.reference, self.epoch, self.trial.stated if self.trial else None)

    def was_live(self, sha256: str) -> bool:
        """Whether a model with these bytes is or was live, as far back as is remembered."""
        return any(each.reference.sha256 == sha256 for each in self.changes)

    def moved(self, change: Change) -> Pointer:
        """With one change more, which ends a trial."""
        ended = self.ended
        if self.trial is not None:
            outcome: Outcome = "promoted" if change.reference == self.trial.new else "rolled_back"
            # Nobody has found anything against the new one: it waits.
            ended = (*ended, EndedTrial(self.trial, outcome, change.why, change.by, again=outcome == "rolled_back"))
        return self._since(change.epoch, (*self.changes, change), ended)

    def trying(self, trial: Trial) -> Pointer:
        """With a trial that begins, or in another step."""
        return replace(self, epoch=self.epoch + 1, trial=trial)

    def with_verdict(self, verdict: EndedTrial) -> Pointer:
        """With the trial ended, and what follows from it."""
        epoch, changes = self.epoch + 1, self.changes
        if verdict.outcome == "promoted":
            changes = (*changes, Change(epoch, verdict.trial.new, verdict.why, verdict.by))
        return self._since(epoch, changes, (*self.ended, verdict))

    def put_right(self, latest: Statement, why: str) -> Pointer:
        """With what was stated last, by a pointer that is lost, under a later epoch than any."""
        epoch, trial, ended = latest.epoch + 1, self.trial, self.ended
        change = Change(epoch, latest.reference, why)
        if trial is not None and (latest.trial is None or latest.trial.number != trial.number):
            # Its end was told by whoever brought it about.
            outcome: Outcome = "promoted" if latest.reference == trial.new else "rolled_back"
            again = latest.trial is not None and latest.trial.new == trial.new
            ended = (*ended, EndedTrial(trial, outcome, why, told=True, again=again))
            trial = None
        while trial and latest.trial and not trial.is_last_step and trial.now.share < latest.trial.share:
            trial = trial.advanced()
        return replace(self._since(epoch, (*self.changes, change), ended), trial=trial)

    def noting_told(self, number: int) -> Pointer:
        """With the note that an event tells of the end of a trial."""
        told = (replace(each, told=each.told or each.trial.number == number) for each in self.ended)
        return replace(self, epoch=self.epoch + 1, ended=tuple(told))

    def trying_again(self, sha256: str) -> Pointer:
        """With the note that a model which was rolled back may be tried once more."""
        again = (replace(each, again=each.again or each.trial.new.sha256 == sha256) for each in self.ended)
        refused = tuple(each for each in self.refused if each != sha256)
        return replace(self, epoch=self.epoch + 1, ended=tuple(again), refused=refused)

    def _since(self, epoch: int, changes: Sequence[Change], ended: Sequence[EndedTrial]) -> Pointer:
        """With one change or trial more, as much of it as is remembered; none is under way."""
        refused = list(self.refused)
        for each in ended[len(self.ended) :]:
            new = each.trial.new.sha256
            refused = [other for other in refused if other != new]
            refused += [new] if each.outcome == "rolled_back" and not each.again else []
        refused = [each for each in refused if each != changes[-1].reference.sha256]
        last, kept_out = tuple(ended[-MOST_ENDED:]), tuple(refused[-MOST_REFUSED:])
        return Pointer(self.pattern, tuple(changes[-MOST_CHANGES:]), epoch, None, last, kept_out)

    def encode(self) -> bytes:
        """As JSON."""
        changes = [
            {"epoch": each.epoch, "uri": each.reference.uri, "sha256": each.reference.sha256}
            | {"why": each.why, "by": each.by, "time": each.time}
            for each in self.changes
        ]
        told = {"pattern": self.pattern, "epoch": self.epoch, "live": changes[-1], "changes": changes}
        trial = trial_to_json(self.trial) if self.trial else None
        ended = [ended_to_json(each) for each in self.ended]
        return encoded(told | {"trial": trial, "ended": ended, "refused": list(self.refused)})

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
        with reading(data) as value:
            pattern = exact_text(value["pattern"])
            changes = tuple(map(_change, value["changes"][-MOST_CHANGES:]))
            epochs = [each.epoch for each in changes]
            if not epochs or epochs != sorted(set(epochs)) or _change(value["live"]) != changes[-1]:
                raise ValueError("contradicts itself")
            # Earlier versions of this program wrote none of these.
            epoch = whole(value.get("epoch", epochs[-1]), "epoch", epochs[-1], GREATEST_WHOLE)
            trial = trial_from(value["trial"]) if value.get("trial") is not None else None
            ended = tuple(map(ended_from, value.get("ended", [])[-MOST_ENDED:]))
            if trial is not None and (trial.old != changes[-1].reference or trial.number > epoch):
                raise ValueError("tells of a trial that cannot be")
            refused = tuple(map(sha256_from, value.get("refused", [])[-MOST_REFUSED:]))
            return cls(pattern, changes, epoch, trial, ended, refused)


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
        return encoded(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> Claim:
        """Reads what `encode` wrote.

        Raises:
            ValueError: it is something else.
        """
        with reading(data) as value:
            process = whole(value["process"], "process", 1, _MOST_PROCESSES)
            beats = whole(value["beats"], "beats", 0, GREATEST_WHOLE)
            texts = (shown_text(value[name]) for name in ("uri", "owner", "processes", "time"))
            uri, owner, processes, time = texts
            return cls(uri, owner, processes, process, beats, time)


def _verdict(value: dict[str, Any], uri: str) -> Verdict:
    if value["verdict"] == "accepted":
        name, reason = shown_text(value["name"]), shown_text(value["reason"])
        version, engine = shown_text(value["card_version"]), shown_text(value["engine"])
        # Earlier versions of this program wrote neither.
        tags, written = shown_texts(value.get("tags", [])), value.get("card")
        card = Card.from_json(written) if written is not None else None
        return Accepted(reference_from(uri, value["sha256"]), name, reason, version, engine, tags, card)
    model_id = value["model_id"]
    if model_id is not None and not str(model_id).startswith(f"{uri}@sha256:"):
        raise ValueError("is about other bytes")
    return ModelRejected(ModelFault(value["fault"]), shown_text(value["detail"]), model_id)


def _change(value: dict[str, Any]) -> Change:
    epoch = whole(value["epoch"], "epoch", 1, GREATEST_WHOLE)
    reference = reference_from(address_from(value["uri"]), value["sha256"])
    return Change(epoch, reference, shown_text(value["why"]), shown_text(value["by"]), shown_text(value["time"]))
