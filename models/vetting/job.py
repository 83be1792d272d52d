"""What the vetting child is asked, and what it answers: two small JSON files in its workspace."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from models.artefacts import EngineChoice, Manifest
from models.errors import ModelFault, ModelRejected

JOB = "job.json"
VERDICT = "verdict.json"
BUILT = "built"


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate to vet.

    Attributes:
        path: the fetched file.
        sha256: of its bytes.
        name: the model's name unless its card has one.
        choice: the engine that the user asked for.
        batch_sizes: to probe with, ascending; the last is the largest in use.
        memory_bytes: what the child may take beyond what its libraries need.
    """

    path: str
    sha256: str
    name: str
    choice: EngineChoice
    batch_sizes: tuple[int, ...]
    memory_bytes: int

    def write(self, workspace: Path) -> None:
        """Puts the job where the child looks for it."""
        (workspace / JOB).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, workspace: Path) -> Job:
        """The job that `write` put there."""
        value = json.loads((workspace / JOB).read_text())
        return cls(**value | {"batch_sizes": tuple(value["batch_sizes"])})


def write_verdict(workspace: Path, verdict: Manifest | ModelRejected) -> None:
    """Puts the child's answer where the parent looks for it."""
    if isinstance(verdict, Manifest):
        answer = {"accepted": verdict.to_json()}
    else:
        answer = {"rejected": {"fault": str(verdict.fault), "detail": verdict.detail}}
    (workspace / VERDICT).write_text(json.dumps(answer))


def read_verdict(workspace: Path) -> Manifest | ModelRejected | None:
    """The child's answer; None where it gave none that can be read."""
    try:
        answer = json.loads((workspace / VERDICT).read_text())
        if "accepted" in answer:
            return Manifest.from_json(answer["accepted"])
        rejected = answer["rejected"]
        return ModelRejected(ModelFault(rejected["fault"]), str(rejected["detail"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
