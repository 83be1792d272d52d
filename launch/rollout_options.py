"""The options by which verbs say how a release comes to devices."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from fleet.rollouts import Plan
from launch.command_line import CommandRefused

Shares = Annotated[
    str,
    typer.Option(
        "--rollout", metavar="PERCENTS", help="Shares of the devices, step by step: 10,50,100. All at once else."
    ),
]
Pause = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="That pass at least between two steps. Each waits until all that were reached run it, too; after ten "
        "minutes without those that say nothing, if one at least runs it.",
    ),
]
Halt = Annotated[
    float,
    typer.Option(
        "--halt-above", metavar="PERCENT", help="Of the devices that tell: more failures than that halt a rollout."
    ),
]
ALL_AT_ONCE = "100"
HALT_PERCENT = Plan().halt


def plan_of(shares: str, pause: float | None, halt: float) -> Plan:
    """How a release comes to devices.

    Raises:
        CommandRefused: the numbers are none that go.
    """
    try:
        parts = tuple(float(each) for each in shares.split(","))
    except ValueError:
        raise CommandRefused(f"--rollout {shares[:60]!r} is no list of percents; 10,50,100 say") from None
    if not all(map(math.isfinite, (*parts, pause or 0.0, halt))):
        raise CommandRefused("percents and seconds are numbers that end")
    try:
        return Plan(parts, pause, halt)
    except ValueError as error:
        raise CommandRefused(str(error)) from error
