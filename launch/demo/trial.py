"""`python -m launch.demo.trial`: on real digits a worse model is tried and goes again, and a better one stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
import webbrowser
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from launch.command_line import CommandRefused, run
from launch.demo.landing import land, train
from launch.demo.programs import DemoFailed, Programs, run_verb
from launch.demo.report import Recorded
from launch.demo.trial_flow import Flow, TrialPlace
from launch.demo.trial_verdicts import judge_trials, print_verdicts
from launch.printing import PlainConsole
from launch.pubsub_emulator import PubSubEmulator
from models.trials.policy import Policy
from studio.retraining.digits import load_digits
from transforms.pubsub import EMULATOR_VARIABLE

LIVE, WORSE, BETTER = "some", "few", "all"
"""Models, by how many examples they learnt from."""
EXPECTED = {WORSE: "trial_rolled_back", BETTER: "trial_promoted"}
HOW = "shadow:50%/3"
IMAGES_PER_SECOND = 40
LEFT_FOR_THE_BETTER = 60
"""Digits that are answered once the better model is live."""
REPORT = Path(".demo") / "trial.html"
_LIMITS = {
    "max-failures": "2%",
    "max-slowdown": "20",
    "min-agreement": "70%",
    "max-drift": "1",
    "max-accuracy-loss": "2%",
}
"""For hundreds of digits, answered within a millisecond beside much else: the defaults want thousands of images."""
_LEFT_OUT = ("ready: ", "finishing what was read")
_RUN = "the local run"

app = typer.Typer(add_completion=False)


@app.command()
def trial(
    how: Annotated[str, typer.Option("--trial", help="As the job's: shadow:SHARE/MINUTES or canary:…")] = HOW,
    report: Annotated[Path, typer.Option(help="Where the report goes, one HTML file.")] = REPORT,
) -> int:
    """Tries a worse and a better model on handwritten digits; 0 where both verdicts are right and nothing is lost."""
    try:
        policy = Policy.parse(how)
    except ValueError as error:
        raise CommandRefused(f"--trial: {error}") from error
    if policy is None:
        raise CommandRefused("--trial none tries nothing")
    console = PlainConsole(highlight=False)
    with tempfile.TemporaryDirectory(prefix="hotswap-demo-") as folder:
        place = TrialPlace(Path(folder))
        try:
            console.print("== training three classifiers on handwritten digits: some ten seconds")
            train(place.trained, (WORSE, LIVE, BETTER))
            landed_at, labels = _go_through(place, policy, console)
            _write_report(place, report, console)
        except DemoFailed as error:
            console.print(f"error: {error}", style="red")
            return 1
        recorded = Recorded(place.records("results"), place.records("dead"), place.records("events"), landed_at)
        answers = json.loads((place.trained / "answers.json").read_text())
    verdicts = judge_trials(recorded, labels, answers, EXPECTED)
    print_verdicts(verdicts, console)
    _open(report, console)
    return 0 if verdicts.good else 1


def _go_through(place: TrialPlace, policy: Policy, console: Console) -> tuple[dict[str, float], list[int]]:
    """The whole stream, from its first model to its last result.

    Returns:
        When each model landed, in seconds since the epoch; and the true class of each digit, by its number.
    """
    _, held_out = load_digits()
    shutil.copy(place.trained / f"{LIVE}.h5", place.models / f"{LIVE}.h5")
    landed_at: dict[str, float] = {}
    with (
        PubSubEmulator() as broker,
        Programs(console, lambda name, line: _shown(place, line)) as programs,
    ):
        _begin(place, policy, programs, broker)
        programs.until(lambda: bool(place.events("live")), "the first model to go live")
        console.print(f"== digits land, {IMAGES_PER_SECOND} a second; what each shows is told once it is answered")
        flow = Flow(place, held_out, broker, IMAGES_PER_SECOND)
        for name, what in ((WORSE, "worse"), (BETTER, "better")):
            console.print(f"== a {what} model lands under the running stream, to be tried as {policy}")
            land(place.trained / f"{name}.h5", place.models / f"{name}.h5")
            landed_at[name] = time.time()
            flow.until(programs, partial(place.verdict, name), f"the verdict on {name}.h5")
        if (place.verdict(BETTER) or {}).get("event") == "trial_promoted":
            flow.until(programs, lambda: flow.answered[BETTER] >= LEFT_FOR_THE_BETTER, "the better model's answers")
        programs.until(lambda: _outcomes(place) >= len(flow.landed), "the last results")
        if (code := programs.end(_RUN)) != 0:
            raise DemoFailed(f"{_RUN} ended with exit code {code}")
    return landed_at, flow.landed


def _begin(place: TrialPlace, policy: Policy, programs: Programs, broker: PubSubEmulator) -> None:
    limits = [text for name, limit in _LIMITS.items() for text in (f"--trial-{name}", limit)]
    programs.start(
        _RUN, "launch.local", "--models", place.models / "*.h5", "--images", place.images,
        "--output", place.output("results"), "--dead-letters", place.output("dead"),
        "--model-events", place.output("events"), "--image-prefix", place.images, "--registry", place.registry,
        "--trial", policy, *limits,
        environment={EMULATOR_VARIABLE: broker.address},
    )  # fmt: skip


def _write_report(place: TrialPlace, report: Path, console: Console) -> None:
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoFailed(f"{report.parent} cannot be made: {error.strerror}") from error
    pattern = place.models / "*.h5"
    run_verb("trial", "report", pattern, "--registry", place.registry, "--output", report)
    console.print(f"== the report of the last trial: {report.resolve()}", soft_wrap=True)


def _open(report: Path, console: Console) -> None:
    """Shows the report where there is a display to show it on."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    with suppress(webbrowser.Error, OSError):
        if webbrowser.open(report.resolve().as_uri()):
            console.print("   opened in the browser")


def _shown(place: TrialPlace, line: str) -> str:
    """A line of the run, its files by their names in the workplace."""
    text = line.replace(f"{place.root}/", "")
    if text.startswith(_LEFT_OUT):
        return ""
    return re.sub(r"@sha256:\w+", "", text) if re.match(r" *\d", text) else text


def _outcomes(place: TrialPlace) -> int:
    return len(place.records("results")) + len(place.records("dead"))


if __name__ == "__main__":
    sys.exit(run(app))
