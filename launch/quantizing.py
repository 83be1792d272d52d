"""The options by which verbs quantize a model, and how they tell what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from launch.command_line import CommandRefused
from launch.printing import say
from models.releasing import Quantization, Quantized
from models.releasing.quantized import LEAST_AGREEMENT

Calibration = Annotated[
    Path | None, typer.Option(metavar="DIR", help="With int8: a folder of images like those that it will get.")
]
LeastAgreement = Annotated[
    float | None,
    typer.Option(min=0, max=1, help=f"With int8: share of these that get the same answer ({LEAST_AGREEMENT})."),
]


class NumberPrecision(StrEnum):
    """Of the numbers that a model computes with."""

    FP32 = "fp32"
    INT8 = "int8"


def quantization_of(
    precision: NumberPrecision, calibration: Path | None, least_agreement: float | None
) -> Quantization | None:
    """What is asked of a model in 8 bits; None where none is asked for.

    Raises:
        CommandRefused: options that do not go together.
    """
    if precision is NumberPrecision.FP32:
        given = {"--calibration": calibration, "--least-agreement": least_agreement}
        for option in (option for option, value in given.items() if value is not None):
            raise CommandRefused(f"{option} goes with --precision int8 alone")
        return None
    if calibration is None:
        raise CommandRefused("--precision int8 needs --calibration DIR, a folder of images like those that it will get")
    return Quantization(calibration, LEAST_AGREEMENT if least_agreement is None else least_agreement)


def tracked(console: Console, files: Sequence[Path]) -> Iterable[Path]:
    """A progress bar for files that are read one after the other."""
    told = f"reading {len(files)} files to calibrate with"
    if not console.is_terminal:
        say(f"{told} …", stderr=True)
        return files
    return track(files, told, console=console, transient=True)


def print_agreement(quantized: Quantized) -> None:
    """Tells how a model in 8 bits answers, and how fast."""
    skipped = f"; {quantized.skipped} files that are no images were skipped" if quantized.skipped else ""
    say(f"in 8 bits {quantized.agreement}{skipped}")
    say(f"an image takes {quantized.agreement.time:.0%} of the time that it took, on this machine")
