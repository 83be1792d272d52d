"""`hotswap trial retry`: a model that was rolled back may be tried once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from launch.command_line import OK, CommandFailed, CommandRefused
from launch.model_arguments import Pattern
from launch.printing import say
from launch.trial_arguments import registry_of_trials, with_trial_flags
from models.reference import DIGEST_DIGITS, ModelReference
from models.registry.registry import Registry
from models.trials.trial import EndedTrial
from models.trials.view import ended_trials

app = typer.Typer(add_completion=False)

_TRIES = 5
_FEWEST_DIGITS = 6


@app.command()
@with_trial_flags
def retry(
    pattern: Pattern,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A file name, model_id or digest; else the one that was rolled back last."),
    ] = None,
    *,
    job: Mapping[str, Any],
) -> int:
    """Lets a model that was rolled back be tried again, by whoever watches the folder, if it is the newest there.

    The last line of standard output is its model_id.
    """
    _, registry = registry_of_trials(pattern, job)
    for _ in range(_TRIES):
        new = _meant(registry, model)
        if registry.live.try_again(new.sha256):
            say(new.model_id)
            return OK
    raise CommandFailed(f"{registry.address} is changed by others again and again; look at it and repeat")


def _meant(registry: Registry, name: str | None) -> ModelReference:
    """The model that was rolled back last, of those that are so called."""
    refused = _refused(registry, ended_trials(registry))
    if not refused:
        raise CommandFailed(f"no model of {registry.pattern} waits for another trial: none was rolled back")
    named = [each for each in refused if name is None or _answers_to(each, name)]
    if not named:
        raise CommandRefused(f"--model {name}: no model that was rolled back is so called; see hotswap trial status")
    return named[0]


def _refused(registry: Registry, ended: Sequence[EndedTrial]) -> list[ModelReference]:
    pointer = registry.live.pointer
    refused = pointer.refused if pointer else frozenset()
    return list(dict.fromkeys(each.trial.new for each in ended if each.trial.new.sha256 in refused))


def _answers_to(reference: ModelReference, name: str) -> bool:
    digits = name.removeprefix("sha256:")
    by_digest = len(digits) >= _FEWEST_DIGITS and reference.sha256.startswith(digits[:DIGEST_DIGITS])
    return by_digest or name in (
        reference.uri,
        reference.uri.rpartition("/")[2],
        reference.file_name,
        reference.model_id,
        reference.sha256,
    )
