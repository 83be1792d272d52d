"""What a dry run prints, where both of its streams meet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

FLAGS = {
    "--project": "my-project",
    "--region": "europe-west1",
    "--bucket": "my-bucket",
    "--model-pattern": "gs://my-bucket/models/*.h5",
    "--input-subscription": "projects/my-project/subscriptions/images",
    "--output-topic": "projects/my-project/topics/results",
}


def test_the_note_follows_the_whole_plan_and_soon(tmp_path: Path) -> None:
    away = ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "CLOUDSDK_CONFIG")
    environment = {name: value for name, value in os.environ.items() if name not in away}
    # No key file there, and a metadata server that never answers.
    environment |= {"HOME": str(tmp_path), "GCE_METADATA_HOST": "192.0.2.1", "GCE_METADATA_IP": "192.0.2.1"}
    command = [sys.executable, "-m", "launch.cli", "dataflow", *(f"{name}={value}" for name, value in FLAGS.items())]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--dry-run"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.startswith("job hotswap-inference in my-project")
    *plan, note = done.stdout.splitlines()
    assert plan[-1].startswith("  experiments=")
    assert note == "note: without Google credentials the region of gs://my-bucket was not checked"
    assert done.stdout.endswith("\n")
    assert time.monotonic() - started < 20  # of which two wait
