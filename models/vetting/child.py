"""The vetting child: a process that may crash, hang or fill its memory without harm to anyone.

It confines itself to the folder that it is started in, imports what it needs, waits for a line that tells that its job
is there, vets that and exits. Its standard input stays open as long as anyone wants its answer.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import resource
import signal
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

from models.confinement.confining import confine
from models.engines.gpus import hide_gpus
from models.memory import has_nvidia_driver, own_bytes
from models.vetting.job import HURRIED, WITH_KERAS

_ALARM_SECONDS = 10
_NICE = 10
"""A tenth of a busy machine."""


def main() -> None:
    """Runs one job; the verdict is a file in the job's workspace, which is the folder that it is started in."""
    workspace = Path.cwd()
    yield_to_others(hurried=HURRIED in sys.argv)
    unconfined = confine(writable=[workspace])
    job_is_there = threading.Event()
    threading.Thread(target=_end_with_parent, args=[job_is_there], daemon=True).start()
    _import_frameworks()
    job_is_there.wait()
    _vet(workspace, unconfined)
    sys.stdout.flush()
    os._exit(0)  # frameworks' threads and destructors have nothing left to do, and may hang


def yield_to_others(hurried: bool) -> None:
    """Low priority, in a way that no confined process can take back."""
    os.nice(_NICE)
    if not hurried and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # who wakes up takes its core at once


def _end_with_parent(job_is_there: threading.Event) -> None:
    """Tells that the job is there, then ends everything once the parent lets go of our standard input or is gone.

    Linux' own signal for that (PR_SET_PDEATHSIG) comes when the *thread* ends that started us.
    """
    for _ in iter(sys.stdin.readline, ""):
        job_is_there.set()
    os.kill(os.getpid(), signal.SIGKILL)


def _import_frameworks() -> None:
    """Imports what the job will need; what that makes stays, so nobody looks for garbage among it."""
    gc.disable()
    if os.environ.get(WITH_KERAS) == "1":
        from models.engines.lean_tensorflow import load_tensorflow

        tf = load_tensorflow()
        import keras  # noqa: F401

        tf.config.threading.set_intra_op_parallelism_threads(1)
    import models.vetting.examination  # noqa: F401

    gc.freeze()
    gc.enable()


def _vet(workspace: Path, unconfined: list[str]) -> None:
    from models.errors import ModelFault, ModelRejected, VettingFailed, VettingTooCostly, typed_line
    from models.vetting.examination import examine
    from models.vetting.job import BUILT, SCRATCH, WALL_FACTOR, Job, Quantized, say_begun, write_verdict
    from models.vetting.quantizing import quantize

    job = Job.read(workspace)
    if not job.is_for_a_gpu:
        hide_gpus()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # what was held at most from here on
    begin = own_bytes("VmRSS")
    say_begun(workspace, begin, unconfined)
    # Should the parent be gone and no thread of ours get a turn.
    signal.alarm(math.ceil(WALL_FACTOR * job.seconds) + _ALARM_SECONDS)
    tempfile.tempdir = os.environ["TMPDIR"] = str(workspace / SCRATCH)
    for folder in (SCRATCH, BUILT):
        (workspace / folder).mkdir()
    built = workspace / BUILT
    _limit_memory(job.memory_bytes)
    try:
        if job.calibration:
            quantize(job, built)
            write_verdict(workspace, Quantized(job.sha256))
        else:
            manifest = examine(job, built)
            write_verdict(workspace, replace(manifest, memory=max(0, own_bytes("VmHWM") - begin)))
    except (ModelRejected, VettingTooCostly) as verdict:
        write_verdict(workspace, verdict)
    except MemoryError as error:
        write_verdict(workspace, VettingTooCostly(typed_line(error)))
    except ImportError as error:  # a package that is missing or broken is this machine's fault
        write_verdict(workspace, VettingFailed(f"the vetting process lacks a package: {typed_line(error)}"))
    except Exception as error:  # the last wall: whatever else a file provokes is the file's fault
        write_verdict(workspace, ModelRejected(ModelFault.NOT_A_MODEL, typed_line(error)))


def _limit_memory(extra: int) -> None:
    """Allows `extra` bytes of address space beyond what the imported libraries already hold, and files as large."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (extra, extra))
    if has_nvidia_driver():
        return  # the parent watches what is really resident
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        # Thread stacks and allocator arenas are reserved, not used: half as much again, and the parent
        # watches what is really resident.
        limit = pages * resource.getpagesize() + extra + extra // 2
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
