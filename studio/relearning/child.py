"""The process of one run: `python -m studio.relearning.child`, by Kedro's own runner, told what to do by a line.

Its standard input stays open as long as anyone wants what it makes; on its standard output it tells how far it is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, cast

from models.storage.errors import tells_of_full_disk
from studio.relearning.job import Failed, Job
from studio.relearning.outcomes import Failure
from studio.retraining.progress import PROGRESS

_NICE = 10
"""A tenth of a busy machine: the stream does not falter."""


def main() -> None:
    """Runs one job; what came of it is in the run's folder, and why not on standard output too."""
    os.nice(_NICE)
    signal.signal(signal.SIGTERM, _leave)
    job = Job.from_line(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no progress
    os.environ[PROGRESS] = str(told)
    code = 128 + signal.SIGTERM
    try:
        _run(job)
        code = 0
    except Exception as error:  # whatever it is, somebody waits for a line about it
        word = Failure.DISK_FULL if tells_of_full_disk(error) else type(error).__name__
        with contextlib.suppress(OSError):
            os.write(told, Failed(word, str(error)).to_line().encode())
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        code = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(code)  # frameworks' threads and destructors have nothing left to do, and may hang


def _run(job: Job) -> None:
    import studio.retraining

    project = Path(studio.retraining.__file__).parent
    os.chdir(project)  # where Kedro looks for how it logs
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from omegaconf import OmegaConf

    bootstrap_project(project)
    parameters = OmegaConf.create()
    for name, value in job.parameters.items():
        OmegaConf.update(parameters, name, value)
    nested = cast(dict[str, Any], OmegaConf.to_container(parameters))
    with KedroSession.create(project, runtime_params=nested) as session:
        cast(KedroSession, session).run(pipeline_names=[job.pipeline])


def _leave(number: int, frame: FrameType | None) -> None:
    """Lets what holds temporary files put them away; who asked for it kills what takes too long."""
    raise SystemExit(128 + number)


def _end_with_parent() -> None:
    """Ends everything once the parent lets go of our standard input or is gone.

    Linux' own signal for that (PR_SET_PDEATHSIG) comes when the *thread* ends that started us.
    """
    while sys.stdin.readline():
        pass
    os.kill(0 if os.getpgrp() == os.getpid() else os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
