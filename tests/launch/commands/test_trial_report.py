"""What `hotswap trial report` promises: one file, whole or not at all, of the trial that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.commands.hotswap_command import Command, error_line
from tests.launch.commands.trials_at_work import FLAGS, begin, registry
from tests.launch.trials import planted


def test_a_report_is_of_the_trial_that_is_under_way_or_the_last_that_ended(hotswap: Command) -> None:
    trial = begin()
    registry().trials.write(trial.stated, "w-1", planted.shadow(400, right=0.9).encode())
    outcome = hotswap("trial", "report", *FLAGS)
    assert (outcome.code, outcome.out) == (0, "trial.html\n")
    assert "Too early to say whether new may replace old" in Path("trial.html").read_text()
    hotswap("trial", "abort", *FLAGS)
    assert hotswap("trial", "report", *FLAGS, "--output", "other.html", "--no-images").code == 0
    assert "new was rolled back, old stays: aborted by " in Path("other.html").read_text()
    assert hotswap("trial", "report", *FLAGS, "--number", str(trial.number)).code == 0
    assert "new was rolled back" in Path("trial.html").read_text()
    assert not [each for each in Path().iterdir() if each.name.endswith(".part")]


def test_there_is_no_report_of_what_never_was(hotswap: Command) -> None:
    outcome = hotswap("trial", "report", *FLAGS)
    assert outcome.code == 1
    assert "knows of no trial" in error_line(outcome)
    trial = begin()
    hotswap("trial", "abort", *FLAGS)
    outcome = hotswap("trial", "report", *FLAGS, "--number", str(trial.number + 7))
    assert outcome.code == 2
    assert str(trial.number) in error_line(outcome)
    assert not Path("trial.html").exists()


@pytest.mark.parametrize("output", ["nowhere/trial.html", "m"])
def test_a_place_that_takes_no_file_is_told_in_a_line(hotswap: Command, output: str) -> None:
    begin()
    outcome = hotswap("trial", "report", *FLAGS, "--output", output)
    assert outcome.code == 1
    assert f"{output} cannot be written" in error_line(outcome)
    assert not Path(f".{output}.part").exists()
