"""The vetting child: a process that may crash, hang or fill its memory without harm to anyone.

It confines itself, imports what it needs, waits for one line naming its workspace, vets that job and exits.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Runs one job; the verdict is a file in the job's workspace."""
    _confine()
    _import_frameworks()
    workspace = sys.stdin.readline().rstrip("\n")
    if workspace:
        _vet(Path(workspace))
    sys.stdout.flush()
    os._exit(0)  # frameworks' threads and destructors have nothing left to do, and may hang


def _confine() -> None:
    """Lowest priority, no network, no core dumps, and an end with the parent's end."""
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(os.environ["HOTSWAP_VETTING_PARENT"]):
        os._exit(1)
    if libc.unshare(_CLONE_NEWNET) != 0:  # without the right to, a user namespace gives it, where allowed
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def _import_frameworks() -> None:
    if os.environ.get("HOTSWAP_VETTING_KERAS") == "1":
        import keras  # noqa: F401
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(2)
    import models.vetting.examination  # noqa: F401


def _vet(workspace: Path) -> None:
    from models.errors import ModelFault, ModelRejected
    from models.vetting.examination import examine
    from models.vetting.file_checks import one_line
    from models.vetting.job import BUILT, Job, write_verdict

    job = Job.read(workspace)
    _limit_memory(job.memory_bytes)
    built = workspace / BUILT
    built.mkdir()
    try:
        write_verdict(workspace, examine(job, built))
    except ModelRejected as rejection:
        write_verdict(workspace, rejection)
    except MemoryError:
        write_verdict(workspace, ModelRejected(ModelFault.TOO_LARGE, "needs more memory than vetting allows"))
    except Exception as error:  # the last wall: whatever else a file provokes is the file's fault
        write_verdict(workspace, ModelRejected(ModelFault.NOT_A_MODEL, f"{type(error).__name__}: {one_line(error)}"))


def _limit_memory(extra: int) -> None:
    """Allows `extra` bytes of address space beyond what the imported libraries already hold."""
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        # Thread stacks and allocator arenas are reserved, not used: half as much again, and the parent
        # watches what is really resident.
        limit = pages * resource.getpagesize() + extra + extra // 2
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
