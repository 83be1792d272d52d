"""`python -m tests.container.bundles WORLD HOST:PORT`: gives bundles to a worker that the pool there starts.

Prints how many messages it answered, by one model and then by another.
"""

from __future__ import annotations

import itertools
import sys
from functools import partial
from pathlib import Path

from apache_beam.transforms.environments import ExternalEnvironment

from models.json_lines import whole_records
from models.reference import Statement
from tests.end_to_end.sdk_worker_process import SdkWorkerProcess, job_for_workers
from tests.end_to_end.telling_models import stated, untrue
from tests.waiting import eventually

_MESSAGES_A_BUNDLE = 3


def answered(world: Path, pool: str) -> int:
    """How many messages a worker answered, each once and by the model that it names, until the second model had it.

    Raises:
        AssertionError: it did not answer so.
    """
    ids, panes = stated(world, "first", "second")
    numbers, results = itertools.count(), world / "results.jsonl"
    worker = SdkWorkerProcess(job_for_workers(world, world / "cache"), environment=ExternalEnvironment(pool))

    def answers_by(pane: Statement) -> bool:
        messages = [str(next(numbers)) for _ in range(_MESSAGES_A_BUNDLE)]
        worker.give(str(world / "image.png"), messages, pane)
        given = {result["model_id"] for result in whole_records(results) if result["message_id"] in messages}
        return given == {pane.reference.model_id}

    try:
        for pane in panes:
            eventually(partial(answers_by, pane), f"answers by {pane.reference.file_name}")
    finally:
        worker.close()
    written = whole_records(results)
    assert sorted(int(result["message_id"]) for result in written) == list(range(next(numbers)))
    assert untrue(written, ids) == []
    return len(written)


if __name__ == "__main__":
    print(answered(Path(sys.argv[1]), sys.argv[2]))
