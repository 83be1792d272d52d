"""Digits that land for as long as a trial takes, and their true labels, told once they are answered."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch.demo.landing import write_png
from launch.demo.programs import Programs
from launch.demo.workplace import StreamPlace
from launch.local.pubsub import FEEDBACK_TOPIC
from launch.pubsub_emulator import PubSubEmulator
from studio.retraining.digits import Digits


@dataclass(frozen=True, slots=True)
class TrialPlace(StreamPlace):
    """The folders and files of this one."""

    @property
    def registry(self) -> Path:
        """Where what is known of the models is kept."""
        return self.root / "registry"

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        """The model events of these kinds, in the order in which they were told."""
        return [event for event in self.records("events") if event["event"] in kinds]

    def verdict(self, name: str) -> dict[str, Any] | None:
        """The event that ended the trial of a model; None while there is none."""
        ended = self.events("trial_promoted", "trial_rolled_back")
        return next((event for event in ended if event["model_name"] == name), None)


class Flow:
    """Lets digits land at a steady rate, round and round, and tells the true label of each that is answered.

    Args:
        place: where they land.
        digits: that land.
        broker: has the topic of true labels.
        rate: digits a second.

    Attributes:
        landed: the true class of each digit that landed, by its number.
        answered: how many answers each model gave, by its name.
    """

    def __init__(self, place: TrialPlace, digits: Digits, broker: PubSubEmulator, rate: float) -> None:
        self._place = place
        self._digits = digits
        self._broker = broker
        self._rate = rate
        self._began = time.monotonic()
        self._read = 0
        self.landed: list[int] = []
        self.answered: Counter[str] = Counter()

    def until(self, programs: Programs, condition: Callable[[], object], what: str) -> None:
        """Goes on until something holds.

        Raises:
            DemoFailed: as from `Programs.until`.
        """

        def look() -> bool:
            self._land_what_is_due()
            self.tell_labels()
            return bool(condition())

        programs.until(look, what)

    def tell_labels(self) -> None:
        """Tells the true labels of what was answered since."""
        for result in self._new_results():
            self.answered[result["model_name"]] += 1
            label = self.landed[int(Path(result["image"]).stem)]
            truth = {"message_id": result["message_id"], "label": str(label)}
            self._broker.publish(FEEDBACK_TOPIC, json.dumps(truth).encode())

    def _land_what_is_due(self) -> None:
        due = int((time.monotonic() - self._began) * self._rate)
        for number in range(len(self.landed), due):
            which = number % len(self._digits)
            self.landed.append(int(self._digits.labels[which]))
            write_png(self._digits.pixels[which], self._place.images / f"{number:05d}.png")

    def _new_results(self) -> list[Mapping[str, Any]]:
        path = self._place.output("results")
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")
        self._read += len(whole[0]) + len(whole[1])
        return [json.loads(line) for line in whole[0].splitlines()]
