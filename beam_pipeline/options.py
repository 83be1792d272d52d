"""The job's options: declared, checked before anything is submitted, and handed on as one value."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn, cast, get_args

from apache_beam.options.pipeline_options import DebugOptions, PipelineOptions, StandardOptions

from models.artefacts import EngineChoice
from models.image_decoding import DecodeLimits
from transforms.serving import ServingConfig, largest_input
from transforms.windowing import SideInputMode

EXPERIMENTS_FOR_SIDE_INPUTS = ("disable_global_windowed_args_caching",)
"""Without it a worker that is never idle keeps the first model it was told of, for good."""

_PUBSUB_NAME = r"projects/[a-z][-a-z0-9:.]{{4,61}}[a-z0-9]/{kind}/[A-Za-z][A-Za-z0-9._~+%-]{{2,254}}"


class OptionError(Exception):
    """An option that is unknown, missing, contradictory or malformed; its text is one line naming it."""


class HotSwapOptions(PipelineOptions):
    """The job's own command-line options, beside Beam's."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("--input_subscription", help="Pub/Sub source, projects/P/subscriptions/S")
        add("--input_topic", help="Pub/Sub source, projects/P/topics/T")
        add("--model_pattern", help="glob of model files: gs://b/models/*.h5, or a local path")
        add("--model_poll_seconds", type=float, default=30.0, help="seconds between two looks at the pattern")
        add("--output_topic", help="results, one message each")
        add("--output_path", help="results, as JSON Lines files")
        add("--dead_letter_topic", help="what could not be predicted, one message each")
        add("--dead_letter_path", help="what could not be predicted, as JSON Lines files")
        add("--model_events_topic", help="what happened to each model, one message each")
        add("--model_events_path", help="what happened to each model, as JSON Lines files")
        add("--image_prefix", action="append", help="repeatable; only images below one of these are read")
        add("--engine", choices=get_args(EngineChoice), default="auto", help="what executes the models")
        add("--max_batch_size", type=int, default=32, help="most images in one call of the model")
        add("--max_batch_wait_ms", type=int, default=0, help="how long a batch waits for images of other bundles")
        add("--max_image_bytes", type=int, default=DecodeLimits().max_bytes, help="larger files are dead letters")
        add("--max_image_pixels", type=int, default=DecodeLimits().max_pixels, help="larger images are dead letters")
        add("--exact_decode", action="store_true", help="never decode a large image at reduced size")
        add("--model_cache", help="local folder for compiled models (default: the user's cache folder)")
        add("--compile_cache", help="folder, gs://… say, where a fleet shares its compiled models")


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The job's checked options."""

    input_subscription: str | None
    input_topic: str | None
    model_pattern: str
    poll_seconds: float
    output_topic: str | None
    output_path: str | None
    dead_letter_topic: str | None
    dead_letter_path: str | None
    model_events_topic: str | None
    model_events_path: str | None
    image_prefixes: tuple[str, ...]
    engine: EngineChoice
    max_batch_size: int
    max_batch_wait_ms: int
    decode_limits: DecodeLimits
    exact_decode: bool
    model_cache: str | None
    compile_cache: str | None

    @property
    def serving(self) -> ServingConfig:
        """Which models are served, and how."""
        return ServingConfig(
            self.model_pattern,
            self.poll_seconds,
            self.engine,
            self.max_batch_size,
            self.model_cache,
            self.compile_cache,
        )

    @property
    def needed_size(self) -> Any:
        """Asked on a worker: the (height, width) that its models take."""
        return partial(largest_input, self.serving)


def parse_options(argv: Sequence[str]) -> tuple[PipelineOptions, JobOptions, SideInputMode]:
    """Reads and checks a whole command line, Beam's options included.

    Raises:
        OptionError: the first thing that is wrong.
    """
    _refuse_unknown(argv)
    options = PipelineOptions(list(argv))
    standard = options.view_as(StandardOptions)
    standard.streaming = True
    standard.runner = standard.runner or "DirectRunner"
    mode = SideInputMode.of_runner(standard.runner)
    if mode is SideInputMode.TRIGGERED:
        for experiment in EXPERIMENTS_FOR_SIDE_INPUTS:
            options.view_as(DebugOptions).add_experiment(experiment)
    return options, _checked(options.view_as(HotSwapOptions)), mode


class _Parser(argparse.ArgumentParser):
    """Knows every option of Beam and of this job, and raises where argparse would print and exit."""

    add_value_provider_argument = argparse.ArgumentParser.add_argument

    def error(self, message: str) -> NoReturn:
        raise OptionError(message)


def _refuse_unknown(argv: Sequence[str]) -> None:
    parser = _Parser(prog="python -m beam_pipeline", allow_abbrev=False, conflict_handler="resolve")
    for group in PipelineOptions.__subclasses__():
        group._add_argparse_args(cast(Any, parser))
    known = [option for action in parser._actions for option in action.option_strings]
    if {"-h", "--help"} & set(argv):
        parser = _Parser(prog="python -m beam_pipeline", description="Beam's own options are accepted too.")
        HotSwapOptions._add_argparse_args(parser)
        parser.print_help()
        sys.exit(0)
    _, unknown = parser.parse_known_args(list(argv))
    if unknown:
        name = unknown[0].partition("=")[0]
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        raise OptionError(f"unknown option {name}" + (f"; did you mean {close[0]}?" if close else ""))


def _checked(given: HotSwapOptions) -> JobOptions:
    _exactly_one(given, "input_subscription", "input_topic")
    if not given.model_pattern:
        raise OptionError("--model_pattern is missing: a glob of model files, e.g. gs://bucket/models/*.h5")
    _exactly_one(given, "output_topic", "output_path")
    _at_most_one(given, "dead_letter_topic", "dead_letter_path")
    _at_most_one(given, "model_events_topic", "model_events_path")
    for name in ("input_subscription", "input_topic", "output_topic", "dead_letter_topic", "model_events_topic"):
        kind = "subscriptions" if name == "input_subscription" else "topics"
        value = getattr(given, name)
        if value is not None and not re.fullmatch(_PUBSUB_NAME.format(kind=kind), value):
            raise OptionError(f"--{name} is {value!r}; projects/PROJECT/{kind}/NAME is expected")
    if not 0 < given.model_poll_seconds < float("inf"):
        raise OptionError(f"--model_poll_seconds is {given.model_poll_seconds}; it must be greater than 0")
    for name, least in (("max_batch_size", 1), ("max_batch_wait_ms", 0)):
        if getattr(given, name) < least:
            raise OptionError(f"--{name} is {getattr(given, name)}; it must be at least {least}")
    try:
        limits = DecodeLimits(given.max_image_bytes, given.max_image_pixels)
    except ValueError as error:
        raise OptionError(f"--max_image_bytes, --max_image_pixels: {error}") from error
    return JobOptions(
        input_subscription=given.input_subscription,
        input_topic=given.input_topic,
        model_pattern=given.model_pattern,
        poll_seconds=given.model_poll_seconds,
        output_topic=given.output_topic,
        output_path=given.output_path,
        dead_letter_topic=given.dead_letter_topic,
        dead_letter_path=given.dead_letter_path,
        model_events_topic=given.model_events_topic,
        model_events_path=given.model_events_path,
        image_prefixes=tuple(given.image_prefix or ()),
        engine=given.engine,
        max_batch_size=given.max_batch_size,
        max_batch_wait_ms=given.max_batch_wait_ms,
        decode_limits=limits,
        exact_decode=given.exact_decode,
        model_cache=given.model_cache,
        compile_cache=given.compile_cache,
    )


def _exactly_one(given: HotSwapOptions, one: str, other: str) -> None:
    _at_most_one(given, one, other)
    if not getattr(given, one) and not getattr(given, other):
        raise OptionError(f"--{one} or --{other} is missing")


def _at_most_one(given: HotSwapOptions, one: str, other: str) -> None:
    if getattr(given, one) and getattr(given, other):
        raise OptionError(f"--{one} and --{other} exclude each other")
