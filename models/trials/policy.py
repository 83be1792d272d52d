"""How a new model is tried, in the words of `--trial`."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal, NamedTuple

from models.reference import Mode

NO_TRIAL = "none"
MOST_STEPS = 20
_MOST_MINUTES = 60.0 * 24 * 90
_NUMBER = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_STEP = re.compile(rf"(?P<share>{_NUMBER})%/(?P<minutes>{_NUMBER})")
WRITTEN = rf"(none|shadow:{_NUMBER}%/{_NUMBER}|canary:{_NUMBER}%/{_NUMBER}([,;]{_NUMBER}%/{_NUMBER})*)"
"""What a policy looks like, as a regular expression. Some that do are none: their shares fall, say."""
_HOW = "shadow:SHARE/MINUTES or canary:SHARE/MINUTES[,SHARE/MINUTES…], such as canary:5%/10,25%/10; or none"

Undecided = Literal["roll_back", "promote"]
"""What becomes of a model that has had its time and neither proved itself nor failed."""


class Step(NamedTuple):
    """A share of the images, for so long.

    Attributes:
        share: of the images, above 0 and at most 1.
        minutes: above 0.
    """

    share: float
    minutes: float

    def __str__(self) -> str:
        return f"{_plain(100 * self.share)}%/{_plain(self.minutes)}"


@dataclass(frozen=True, slots=True)
class Policy:
    """How a new model is tried.

    Attributes:
        mode: `shadow` has both models answer a share, and the old one's answers are the results; `canary` has the new
            model alone answer it.
        steps: one after the other, shares never falling; a shadow has one.
    """

    mode: Mode
    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Policy | None:
        """Reads what people write; None for `none`. Steps are separated by commas, or by semicolons where a comma means
        something else, as between the parameters of a template.

        Raises:
            ValueError: it is no policy; says what one looks like.
        """
        if text == NO_TRIAL:
            return None
        mode, _, rest = text.partition(":")
        if mode not in ("shadow", "canary"):
            raise ValueError(f"{text[:100]!r} is no trial: it is {_HOW}")
        steps = tuple(_step(each, text) for each in re.split("[,;]", rest))
        if len(steps) > MOST_STEPS or (mode == "shadow" and len(steps) > 1):
            most = MOST_STEPS if mode == "canary" else 1
            raise ValueError(f"a {mode} has {most} step{'s' * (most > 1)} at most, not {len(steps)}")
        if any(after.share < before.share for before, after in itertools.pairwise(steps)):
            raise ValueError(f"the shares of {text[:100]!r} fall; each step has the share of the one before, or more")
        return cls("shadow" if mode == "shadow" else "canary", steps)

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.mode}:{','.join(map(str, self.steps))}"


def _step(text: str, whole: str) -> Step:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ValueError(f"{whole[:100]!r} is no trial: {text[:40]!r} is no SHARE/MINUTES; it is {_HOW}")
    share, minutes = float(match["share"]) / 100, float(match["minutes"])
    if not 0 < share <= 1:
        raise ValueError(f"the share of {text!r} is not above 0% and at most 100%")
    if not 0 < minutes <= _MOST_MINUTES:
        raise ValueError(f"the minutes of {text!r} are not above 0 and at most {_MOST_MINUTES:.0f}")
    return Step(share, minutes)


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")
