"""Examines model files as a vetting child does, but unconfined: `model_sandbox [--without-lists]`.

Takes a path a line, and answers with a verdict a line: what a model cannot do here, the lists alone keep it from.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from models.errors import ModelRejected, VettingTooCostly, one_line
from models.reference import sha256_of
from models.vetting.job import Job

_SECONDS = 8
_MORE_MEMORY = 4 << 30


def main() -> None:
    """Until there are no more lines."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no verdict
    import keras  # noqa: F401
    import tf_keras  # noqa: F401

    from models.vetting import examination, file_checks

    if "--without-lists" in sys.argv:
        setattr(file_checks, "check_config", lambda text, **how: None)  # noqa: B010 - it is not the module's own
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        signal.alarm(_SECONDS)  # a model that takes longer ends this process
        built = Path(tempfile.mkdtemp())
        try:
            examination.examine(Job(str(path), sha256_of(path), "", "auto", (1, 2), 1 << 30, _SECONDS), built)
            verdict = "accepted"
        except (ModelRejected, VettingTooCostly) as refusal:
            verdict = one_line(refusal)
        except Exception as error:  # as in the vetting child: whatever else a file provokes is the file's fault
            verdict = f"raised {one_line(error)}"
        signal.alarm(0)
        shutil.rmtree(built, ignore_errors=True)
        print(verdict, file=answers, flush=True)


if __name__ == "__main__":
    main()
