"""The demonstration of trials, as people call it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launch.demo.trial import BETTER, WORSE
from tests.models.vetting.processes import ROOT
from tests.waiting import eventually_alive

PATIENCE_SECONDS = 400.0
NO_DISPLAY = ("DISPLAY", "WAYLAND_DISPLAY")


def begun(report: Path, log: Path, *options: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in NO_DISPLAY}
    with log.open("wb") as told:
        return subprocess.Popen(
            [sys.executable, "-m", "launch.demo.trial", "--report", report, *options],
            cwd=ROOT, env=environment, stdout=told, stderr=subprocess.STDOUT,
        )  # fmt: skip


@pytest.mark.end_to_end
def test_a_worse_model_goes_a_better_one_stays_and_the_report_is_there(tmp_path: Path) -> None:
    report, log = tmp_path / "new" / "trial.html", tmp_path / "log.txt"
    demonstration = begun(report, log)
    try:
        code = demonstration.wait(PATIENCE_SECONDS)
    finally:
        demonstration.kill()
    text = log.read_text()
    assert code == 0, text
    for told in (f"trial rolled back: models/{WORSE}.h5", f"trial promoted: models/{BETTER}.h5", str(report)):
        assert told in text
    page = report.read_text()
    assert f"{BETTER}.h5" in page
    assert "true labels" in page.lower()


@pytest.mark.end_to_end
def test_an_interrupt_ends_it_and_all_that_it_began(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    demonstration = begun(tmp_path / "trial.html", log)
    try:
        eventually_alive(demonstration, log.read_text, lambda: "digits land" in log.read_text(), "the stream", 120)
        demonstration.send_signal(signal.SIGINT)
        assert demonstration.wait(60) == 130
    finally:
        demonstration.kill()
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("how", ["none", "shadow", "canary:0%/1"])
def test_what_is_no_trial_is_refused_in_a_line(how: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    demonstration = begun(tmp_path / "trial.html", log, "--trial", how)
    assert demonstration.wait(60) == 2
    [line] = log.read_text().splitlines()
    assert line.startswith("error: --trial")
