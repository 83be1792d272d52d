"""What the vetting child is asked, and what it answers: two small JSON files in its workspace."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from models.artefacts import EngineChoice, Manifest
from models.errors import ModelFault, ModelRejected, VettingFailed, VettingTooCostly, one_line

JOB = "job.json"
VERDICT = "verdict.json"
BUILT = "built"
WALL_FACTOR = 2
"""On a busy machine a child waits for a processor, which is no fault of its candidate."""
SCRATCH = "scratch"
HURRIED = "--hurried"
"""The child's one option; see `ChildProcess`."""
WITH_KERAS = "HOTSWAP_VETTING_KERAS"
"""The variable that tells the child whether to import Keras before its job is known: "1" or "0"."""
_BEGUN = "begun"
_MAX_DETAIL = 500
_MAX_VERDICT_BYTES = 16 << 20
"""A card and its labels, twice, with every letter escaped."""
_MAX_BEGUN_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Quantized:
    """A model in 8 bits is in `BUILT`, named `artefacts.ONNX_FILE`.

    Attributes:
        sha256: of the bytes that it was made from.
    """

    sha256: str


Verdict = Manifest | Quantized | ModelRejected | VettingTooCostly | VettingFailed


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate to vet.

    Attributes:
        path: the fetched file.
        sha256: of its bytes.
        name: the model's name unless its card has one; may be empty.
        choice: the engine that the user asked for.
        batch_sizes: to probe with, ascending; the last is the largest in use.
        memory_bytes: what the child may take beyond what its libraries need.
        seconds: of processor time that it may take, or twice as many of wall time.
        lean: whether to do with as little memory as will do.
        calibration: file of images that it is to be quantized with; it is vetted where there is none.
    """

    path: str
    sha256: str
    name: str
    choice: EngineChoice
    batch_sizes: tuple[int, ...]
    memory_bytes: int
    seconds: float
    lean: bool = False
    calibration: str = ""

    @property
    def is_for_a_gpu(self) -> bool:
        """Whether it is compiled for engines that may compute on one."""
        return self.choice != "openvino" and not self.calibration

    def write(self, workspace: Path) -> None:
        """Puts the job where the child looks for it."""
        (workspace / JOB).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, workspace: Path) -> Job:
        """The job that `write` put there."""
        value = json.loads((workspace / JOB).read_text())
        return cls(**value | {"batch_sizes": tuple(value["batch_sizes"])})


class Begun(NamedTuple):
    """How a child begins.

    Attributes:
        resident: bytes of memory that it holds before it opens the candidate.
        unconfined: what this machine did not allow of its confinement.
    """

    resident: int
    unconfined: list[str]


def say_begun(workspace: Path, resident: int, unconfined: list[str]) -> None:
    """Says that the child has read its job: from here on, whatever happens to it is the candidate's doing.

    Args:
        workspace: of the job.
        resident: see `Begun`.
        unconfined: the same.
    """
    written = workspace / f"{_BEGUN}.part"
    written.write_text(json.dumps([resident, unconfined]))
    written.rename(workspace / _BEGUN)


def has_begun(workspace: Path) -> bool:
    """Whether `say_begun` was called."""
    return os.path.lexists(workspace / _BEGUN)


def begun(workspace: Path) -> Begun | None:
    """What `say_begun` was told; None where that cannot be read, as before it was called."""
    try:
        resident, unconfined = _read_json(workspace / _BEGUN, _MAX_BEGUN_BYTES)
        return Begun(int(resident), [one_line(each, _MAX_DETAIL) for each in unconfined])
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def write_verdict(workspace: Path, verdict: Verdict) -> None:
    """Puts the child's answer where the parent looks for it."""
    answer: dict[str, object]
    match verdict:
        case Manifest():
            answer = {"accepted": verdict.to_json()}
        case Quantized():
            answer = {"quantized": verdict.sha256}
        case ModelRejected():
            answer = {"rejected": {"fault": str(verdict.fault), "detail": one_line(verdict.detail, _MAX_DETAIL)}}
        case VettingTooCostly():
            answer = {"too_costly": one_line(verdict, _MAX_DETAIL)}
        case VettingFailed():
            answer = {"failed": one_line(verdict, _MAX_DETAIL)}
    (workspace / VERDICT).write_text(json.dumps(answer))


def read_verdict(workspace: Path) -> Verdict | None:
    """The child's answer; None where it gave none that can be read."""
    try:
        answer = _read_json(workspace / VERDICT, _MAX_VERDICT_BYTES)
        if "accepted" in answer:
            return Manifest.from_json(answer["accepted"])
        if "quantized" in answer:
            return Quantized(str(answer["quantized"]))
        if "too_costly" in answer:
            return VettingTooCostly(one_line(answer["too_costly"], _MAX_DETAIL))
        if "failed" in answer:
            return VettingFailed(one_line(answer["failed"], _MAX_DETAIL))
        rejected = answer["rejected"]
        return ModelRejected(ModelFault(rejected["fault"]), one_line(rejected["detail"], _MAX_DETAIL))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _read_json(path: Path, most: int) -> Any:
    """What a file holds that a child wrote, who may have been talked into making anything of it.

    Raises:
        OSError, ValueError, RecursionError: it is no small regular file of JSON.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise ValueError("no small regular file")
        return json.loads(file.read(most))
