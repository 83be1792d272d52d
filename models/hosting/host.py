"""The host: a process that loads one compiled model, and answers batches until its job lets go of it.

It confines itself, to the model's folder to read and nothing to write, before it imports what executes the model.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.confinement.confining import confine

if TYPE_CHECKING:
    from models.artefacts import Manifest
    from models.engines.engine import Engine, Outputs
    from models.hosting.lane import HostsLane

OUT_OF_MEMORY, WRONG_SHAPE, FAILED = "out of memory: ", "wrong shape: ", "failed: "
"""How an answer begins that is none."""
_LARGEST_FILE = 1 << 20
_LONGEST_TEXT = 300


@dataclass(frozen=True, slots=True)
class HostJob:
    """What a host is to do.

    Attributes:
        folder: of the compiled form.
        manifest: its own, as JSON.
        threads: in which it computes.
        lanes: the descriptors of each, see `lane.HostsEnds`.
        images: for how many a lane has room.
        told: descriptor to which it tells how it begins: a line of JSON once it is confined, another once it is ready.
    """

    folder: str
    manifest: dict[str, Any]
    threads: int
    lanes: tuple[tuple[int, int, int], ...]
    images: int
    told: int

    def to_json(self) -> str:
        """One line, as the host takes it on its standard input."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HostJob:
        """What `to_json` wrote."""
        value = json.loads(text)
        return cls(**value | {"lanes": tuple(map(tuple, value["lanes"]))})


def main() -> None:
    """Loads the model, tells that it is ready, and answers."""
    job = HostJob.from_json(sys.stdin.readline())
    folder = Path(job.folder)
    unconfined = confine(readable=[folder])
    threading.Thread(target=_end_with_job, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    tempfile.tempdir = job.folder  # nothing can be written there; TensorFlow wants to know a place as it is imported
    from models.artefacts import Artefact, Manifest
    from models.engines.lean_tensorflow import load_tensorflow
    from models.engines.loading import load_engine
    from models.engines.quiet_openvino import leave_out_converter
    from models.hosting.lane import HostsEnds, HostsLane
    from models.memory import host_bytes, machine_bytes

    leave_out_converter()
    manifest = Manifest.from_json(job.manifest)
    if manifest.engine == "tensorflow":
        load_tensorflow()  # takes memory that is none of the model's
    _tell(job.told, {"unconfined": unconfined})
    _limit_memory(host_bytes(manifest.memory, machine_bytes()) + 2 * _bytes_in(folder))
    engine = load_engine(Artefact(folder, manifest), job.threads)
    lanes = [HostsLane(HostsEnds(*ends), manifest, job.images) for ends in job.lanes]
    _tell(job.told, _probed(engine, manifest))
    for each in lanes[1:]:
        threading.Thread(target=_serve, args=[each, engine, manifest], daemon=True).start()
    _serve(lanes[0], engine, manifest)


def _probed(engine: Engine, manifest: Manifest) -> dict[str, Any]:
    """What the model makes of a black image: the dtypes of its outputs, and the seconds that it takes."""
    import numpy as np

    black = np.zeros((1, *manifest.input_shape), manifest.input_dtype)
    engine.predict(black)
    began = time.perf_counter()
    outputs = engine.predict(black)
    seconds = time.perf_counter() - began
    return {
        "dtypes": [str(output.dtype) for output in outputs],
        "largest_run": engine.largest_run,
        "seconds": seconds,
        "wrong": _wrong(outputs, 1, manifest),
    }


def _serve(lane: HostsLane, engine: Engine, manifest: Manifest) -> None:
    """Answers what comes through a lane, until the job is gone."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            batch = lane.asked()
            try:
                outputs = engine.predict(batch)
                if wrong := _wrong(outputs, len(batch), manifest):
                    lane.refuse(WRONG_SHAPE + wrong)
                else:
                    lane.answer(outputs)
            except Exception as error:  # engines raise errors of their own kinds
                lane.refuse(_told(error))
    os._exit(0)


def _wrong(outputs: Outputs, images: int, manifest: Manifest) -> str:
    """What is wrong with the shapes of an answer; "" where nothing is."""
    found = [output.shape for output in outputs]
    right = [(images, *spec.shape) for spec in manifest.outputs]
    return "" if found == right else f"{found} where {right} was vetted"


def _told(error: Exception) -> str:
    from models.errors import one_line, typed_line
    from models.memory import is_out_of_memory

    if is_out_of_memory(error):
        return OUT_OF_MEMORY + one_line(error, _LONGEST_TEXT)
    return FAILED + (typed_line(error) or type(error).__name__)


def _tell(told: int, what: dict[str, Any]) -> None:
    os.write(told, (json.dumps(what) + "\n").encode())


def _end_with_job() -> None:
    """Ends everything once the job lets go of our standard input, or is gone."""
    while sys.stdin.read(1):
        pass
    os._exit(0)


def _bytes_in(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _limit_memory(extra: int) -> None:
    """Allows so many bytes beyond what this process holds, so far as that is its own."""
    from models.memory import has_nvidia_driver, own_bytes

    if (held := own_bytes("VmData")) and not has_nvidia_driver():
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (held + extra, held + extra))


if __name__ == "__main__":
    main()
