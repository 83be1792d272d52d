"""A stream of messages that goes on for as long as a trial takes, to one job or several of one registry."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from launch.pubsub_emulator import PubSubEmulator
from models.artefacts import DEFAULT_MAX_VALUES
from models.json_lines import whole_records
from models.reference import StatedTrial
from models.registry.registry import Registry, Terms
from models.storage.local_objects import LocalObjects
from tests.end_to_end.local_run import PATIENCE_SECONDS, Run, land
from tests.waiting import eventually

TOPIC = "projects/hotswap-local/topics/images"
_A_FEW = 4
_MANY = 96
"""Messages that are out at a time, so that no machine is too slow for the stream: while something is waited for that
takes its time whatever is asked, and while evidence is."""
_SHADES = 32
ENDS = ("trial_promoted", "trial_rolled_back")


class TrialStream:
    """Messages, the jobs that answer them, and what they told.

    Args:
        root: of the jobs, which all write to the same files there.
        broker: of the messages.
        made: the folder of `tests.end_to_end.tried_models`.
        trial: as of the job.
    """

    def __init__(self, root: Path, broker: PubSubEmulator, made: Path, trial: str) -> None:
        self.root = root
        self.registry = Registry(
            LocalObjects(root / "registry"), str(root / "models" / "*.h5"), Terms("auto", DEFAULT_MAX_VALUES)
        )
        (root / "models").mkdir()
        self._broker = broker
        self._made = made
        self._options = (
            "--poll-seconds", "0.5", "--registry", str(root / "registry"), "--trial", trial,
            "--trial-max-failures", "5%", "--trial-max-slowdown", "30", "--trial-max-drift", "1",
        )  # fmt: skip
        self.jobs: list[Run] = []
        self.answered: defaultdict[str, list[str]] = defaultdict(list)
        self._open: set[str] = set()
        self._read = 0
        self._published = 0
        self._images = [root / f"{number}.png" for number in range(_SHADES)]
        for number, path in enumerate(self._images):
            Image.new("RGB", (8, 8), ((2 * number + 1) * 128 // _SHADES,) * 3).save(path)

    def begin(self, name: str) -> Run:
        """A job that answers by one of the models."""
        self.land(name)
        job = self.start_job()
        self.until(lambda: any(self.answered.values()), "the first answer")
        return job

    def start_job(self) -> Run:
        """One more job; it reads what is published from now on."""
        ready = self.log().count("ready: ")
        job = Run(self.root, *self._options)
        self.jobs.append(job)
        job.until(lambda: self.log().count("ready: ") > ready, "a job to be ready")
        return job

    def kill(self, job: Run) -> None:
        """Kills a job at once; what it has not answered is not waited for."""
        job.process.send_signal(signal.SIGKILL)
        job.process.wait()
        self.jobs.remove(job)
        self._take_in()
        self._open.clear()

    def land(self, name: str, file_name: str | None = None) -> None:
        """Puts one of the models into the folder."""
        land(self._made / f"{name}.h5", self.root / "models" / f"{file_name or name}.h5")

    def until(self, condition: Callable[[], object], what: str, most_open: int = _A_FEW) -> None:
        """Goes on publishing until something holds."""

        def look() -> bool:
            self._take_in()
            if len(self._open) < most_open:
                self._publish(1 + most_open // 12)
            return bool(condition())

        self._alive(look, what)

    def probe(self, count: int) -> list[str]:
        """Publishes so many messages, and waits until every job has answered each; their ids."""
        probes = self._publish(count)

        def all_answered() -> bool:
            self._take_in()
            return all(len(self.answered[each]) >= len(self.jobs) for each in probes)

        self._alive(all_answered, "the probes' answers")
        return probes

    def until_tried(self, name: str, loads: int) -> StatedTrial:
        """Goes on until a model is tried, and was loaded for that so many times in all; the trial."""
        loaded = f"model on trial: {self.root}/models/{name}.h5@"
        self.until(lambda: self.log().count(loaded) >= loads, f"{name} to be tried")
        trial = self.trial()
        assert trial is not None
        return trial

    def until_ended(self, name: str, times: int = 1) -> dict[str, Any]:
        """Goes on until a model's trial has ended for the so manieth time; the event."""
        self.until(lambda: len(self.told("trial_began", name)) >= times, f"{name} to be tried")
        self.until(lambda: len(self.ends(name)) >= times, f"the verdict on {name}", _MANY)
        return self.ends(name)[times - 1]

    def ends(self, name: str) -> list[dict[str, Any]]:
        """The events that ended trials of a model, in their order."""
        return [each for each in self.told_of_trials() if each["event"] in ENDS and each["model_name"] == name]

    def told(self, kind: str, name: str | None = None) -> list[dict[str, Any]]:
        """The events of a kind, of one model or all."""
        events = whole_records(self.root / "events.jsonl")
        return [each for each in events if each["event"] == kind and name in (None, each["model_name"])]

    def told_of_trials(self) -> list[dict[str, Any]]:
        """The events of trials, in their order."""
        return [each for each in whole_records(self.root / "events.jsonl") if each["event"].startswith("trial_")]

    def trial(self) -> StatedTrial | None:
        """What the registry states now."""
        self.registry.live.look(mend=False)
        statement = self.registry.live.statement
        return statement.trial if statement else None

    def verb(self, *words: str) -> str:
        """Calls `hotswap trial`; what it says on standard output."""
        verb, *more = words
        command = [sys.executable, "-m", "launch.cli", "trial", verb, self.registry.pattern, *more]
        done = subprocess.run(
            [*command, "--registry", str(self.root / "registry")], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        """What `hotswap trial status --json` says."""
        told: dict[str, Any] = json.loads(self.verb("status", "--json"))
        return told

    def results(self) -> list[dict[str, Any]]:
        """All results of all jobs."""
        return whole_records(self.root / "results.jsonl")

    def dead_letters(self) -> list[dict[str, Any]]:
        """All that was not answered."""
        return whole_records(self.root / "dead.jsonl")

    def quarter_of(self, image: str) -> int:
        """In which quarter of the range from black to white an image's shade is."""
        return int(Path(image).stem) // (len(self._images) // 4)

    def finish(self) -> list[int]:
        """Asks every job to end; their exit codes."""
        return [job.finish() for job in self.jobs]

    def close(self) -> None:
        """Ends every job in any case."""
        for job in self.jobs:
            job.close()
        self.jobs.clear()

    def _publish(self, count: int) -> list[str]:
        ids = []
        for _ in range(count):
            image = self._images[self._published % len(self._images)]
            ids.append(self._broker.publish(TOPIC, str(image).encode()))
            self._published += 1
        self._open.update(ids)
        return ids

    def _take_in(self) -> None:
        path = self.root / "results.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            lines = file.read().rpartition(b"\n")[0]
        self._read += len(lines) + bool(lines)
        for line in lines.splitlines():
            result = json.loads(line)
            self.answered[result["message_id"]].append(result["model_name"])
            self._open.discard(result["message_id"])

    def _alive(self, look: Callable[[], bool], what: str) -> None:
        def look_alive() -> bool:
            assert all(job.process.poll() is None for job in self.jobs), f"a job ended: {self.log()[-2000:]}"
            return look()

        eventually(look_alive, what, PATIENCE_SECONDS)

    def log(self) -> str:
        """What all jobs said on standard error."""
        path = self.root / "log.txt"
        return path.read_text() if path.exists() else ""
