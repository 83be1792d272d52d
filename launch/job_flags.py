"""The job's options as flags of a verb, made from the one table of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import wraps
from typing import Annotated, Any, Literal

import typer

from beam_pipeline.option_table import OPTIONS, Kind, Option
from models.trials.percentages import share_of
from models.trials.policy import Policy

OF_READERS = (
    "model_pattern",
    "model_poll_seconds",
    "engine",
    "max_batch_size",
    "max_batch_wait_ms",
    "max_values",
    "max_image_bytes",
    "max_image_pixels",
    "exact_decode",
    "require_confinement",
    "trusted_key",
    "model_cache",
    "registry",
)
"""The options of the job that whoever answers by a model folder has too, wherever images come from."""
OF_TRIALS = (
    "trial",
    "trial_undecided",
    "trial_max_failures",
    "trial_max_slowdown",
    "trial_min_agreement",
    "trial_max_drift",
)
"""The options of the job on how new models are tried, wherever images come from."""
_LEAST = {Kind.COUNT: 1, Kind.COUNT_OR_NONE: 0}


def with_job_flags(
    names: Collection[str],
    called: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
    words: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Gives a verb the flags of the job's options, and hands their values on as its argument `job`, by the job's names.

    Args:
        names: of the options; those that the verb declares itself are left to it.
        called: what the verb calls an option otherwise.
        defaults: of the verb, where they differ from the job's.
        words: about options, a sentence without a full stop each, where what the job says is not so of the verb.
    """
    own_names = called or {}
    own_defaults = defaults or {}
    own_words = words or {}

    def decorate(verb: Callable[..., int]) -> Callable[..., int]:
        own = [each for each in inspect.signature(verb, eval_str=True).parameters.values() if each.name != "job"]
        made = {
            own_names.get(name, name): replace(option, about=own_words.get(name, option.about))
            for name, option in OPTIONS.items()
            if name in names
        }
        parameters = [*own, *(_parameter(flag, option, own_defaults) for flag, option in made.items())]

        @wraps(verb)
        def called_with_flags(**values: Any) -> int:
            job = {option.name: values.pop(flag) for flag, option in made.items()}
            return verb(**values, job=job)

        del called_with_flags.__wrapped__  # its signature is another one
        signature = inspect.Signature([each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters])
        called_with_flags.__signature__ = signature  # type: ignore[attr-defined]
        called_with_flags.__annotations__ = {each.name: each.annotation for each in parameters}
        return called_with_flags

    return decorate


def positive_seconds(seconds: float | None) -> float | None:
    """Seconds that somebody can wait for, as a callback of an option.

    Raises:
        typer.BadParameter: they are none: not a number, endless, or not more than 0.
    """
    if seconds is not None and not 0 < seconds < math.inf:
        raise typer.BadParameter("seconds are more than 0, and a number that ends")
    return seconds


def _as_job_takes_it(read: Callable[[str], object]) -> Callable[[str], str]:
    """A callback of an option: the value as it is, once it has been read."""

    def checked(text: str) -> str:
        try:
            read(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        return text

    return checked


def _positive(number: float) -> float:
    if not 0 < number < math.inf:
        raise typer.BadParameter("it is more than 0, and a number that ends")
    return number


_CHECKS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.SECONDS: positive_seconds,
    Kind.FACTOR: _positive,
    Kind.TRIAL: _as_job_takes_it(Policy.parse),
    Kind.SHARE: _as_job_takes_it(share_of),
}


def _parameter(flag: str, option: Option, defaults: Mapping[str, Any]) -> inspect.Parameter:
    default = inspect.Parameter.empty if option.required else defaults.get(option.name, option.default)
    value_type: Any = option.kind.value_type
    if option.kind.several:
        value_type = list[str] | None
    elif option.kind is Kind.CHOICE:
        value_type = Literal[tuple(option.choices)]
    elif default is None:
        value_type = value_type | None
    words = f"{option.help[0].upper()}{option.help[1:]}."
    declared = f"--{flag.replace('_', '-')}"
    check = _CHECKS.get(option.kind)
    annotation: Any = Annotated[
        value_type, typer.Option(declared, min=_LEAST.get(option.kind), callback=check, help=words)
    ]
    return inspect.Parameter(flag, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
