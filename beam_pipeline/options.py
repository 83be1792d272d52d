"""The job's command line, checked before anything is submitted, and handed on as one value."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, cast

from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    StandardOptions,
    WorkerOptions,
)

from beam_pipeline.option_table import OPTIONS, JobOptions, Kind
from models.errors import KeyUnusable
from models.signatures.trusted import read_trusted
from models.storage.schemes import AnyStorage
from models.trials.percentages import share_of
from models.trials.policy import Policy
from transforms.beam_storage import BeamStorage
from transforms.windowing import SideInputMode

EXPERIMENTS_FOR_SIDE_INPUTS = ("disable_global_windowed_args_caching",)
"""Without it a worker that is never idle keeps the first model it was told of, for good."""


class OptionError(Exception):
    """An option that is unknown, missing, contradictory or malformed; its text is one line naming it."""


class HotSwapOptions(PipelineOptions):
    """The job's own command-line options, beside Beam's."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        for option in OPTIONS.values():
            how: dict[str, Any] = {"help": option.help.replace("%", "%%")}
            match option.kind:
                case Kind.SWITCH:
                    how |= {"action": "store_true"}
                case kind if kind.several:
                    how |= {"action": "append"}
                case Kind.CHOICE:
                    how |= {"choices": list(option.choices), "default": option.default}
                case kind:
                    how |= {"type": kind.value_type, "default": option.default}
            parser.add_argument(f"--{option.name}", **how)


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
    if "dataflow" in standard.runner.lower():
        _require_installable(options)
    if "flink" in standard.runner.lower():
        raise OptionError(f"--runner={standard.runner} is not supported, see docs/operations.md: use DataflowRunner")
    mode = SideInputMode.of_runner(standard.runner)
    if mode is SideInputMode.TRIGGERED:
        for experiment in EXPERIMENTS_FOR_SIDE_INPUTS:
            options.view_as(DebugOptions).add_experiment(experiment)
    job = _checked(options.view_as(HotSwapOptions))
    if mode is SideInputMode.TRIGGERED and job.registry is None:
        job = replace(job, registry=_registry_of_a_fleet(options.view_as(GoogleCloudOptions).temp_location))
    return options, job, mode


def _registry_of_a_fleet(temp_location: str | None) -> str | None:
    """`gs://BUCKET/hotswap/registry` in the bucket that the job has for its own files; None where it has none."""
    bucket = re.match(r"gs://[^/]+", temp_location or "")
    return f"{bucket[0]}/hotswap/registry" if bucket else None


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


def _require_installable(options: PipelineOptions) -> None:
    """Refuses workers that would start, and then wait for ever for a package index that they cannot reach."""
    worker, setup = options.view_as(WorkerOptions), options.view_as(SetupOptions)
    has_image = worker.sdk_container_image or setup.prebuild_sdk_container_engine
    if worker.use_public_ips is False and not has_image:
        raise OptionError(
            "--no_use_public_ips needs --sdk_container_image: such workers reach no package index, so the code and its "
            "packages must be in their container image (docs/dataflow.md, step 2)"
        )


def _checked(given: HotSwapOptions) -> JobOptions:
    _exactly_one(given, "input_subscription", "input_topic")
    if not given.model_pattern:
        raise OptionError("--model_pattern is missing: a glob of model files, e.g. gs://bucket/models/*.h5")
    _exactly_one(given, "output_topic", "output_path")
    _at_most_one(given, "dead_letter_topic", "dead_letter_path")
    _at_most_one(given, "model_events_topic", "model_events_path")
    if given.feedback_subscription is not None and given.feedback_subscription == given.input_subscription:
        raise OptionError("--feedback_subscription is --input_subscription too; true labels come by one of their own")
    values = {name: getattr(given, name) for name in OPTIONS}
    values |= {name: tuple(values[name] or ()) for name, option in OPTIONS.items() if option.kind.several}
    for name, value in values.items():
        _check_value(name, OPTIONS[name].kind, value)
    try:
        values["trusted_key"] = read_trusted(AnyStorage(BeamStorage), values["trusted_key"])
    except KeyUnusable as error:
        raise OptionError(f"--trusted_key: {error}") from error
    registry = values["registry"]
    if registry == "" or ("://" in (registry or "") and not re.match(r"gs://[^/]+/[^/]", registry)):
        raise OptionError(f"--registry is {registry!r}; a local folder or gs://BUCKET/FOLDER is expected")
    job = JobOptions(**values)
    try:
        _ = job.decode_limits
    except ValueError as error:
        raise OptionError(f"--max_image_bytes, --max_image_pixels: {error}") from error
    return job


def _check_value(name: str, kind: Kind, value: Any) -> None:
    match kind:
        case Kind.SUBSCRIPTION | Kind.TOPIC:
            if value is not None and not re.fullmatch(kind.regex or "", value):
                what = "subscriptions" if kind is Kind.SUBSCRIPTION else "topics"
                raise OptionError(f"--{name} is {value!r}; projects/PROJECT/{what}/NAME is expected")
        case Kind.TRIAL | Kind.SHARE:
            try:
                _ = Policy.parse(value) if kind is Kind.TRIAL else share_of(value)
            except ValueError as error:
                raise OptionError(f"--{name}: {error}") from error
        case Kind.SECONDS | Kind.FACTOR:
            if not 0 < value < float("inf"):
                raise OptionError(f"--{name} is {value}; it must be greater than 0")
        case Kind.COUNT | Kind.COUNT_OR_NONE:
            least = 1 if kind is Kind.COUNT else 0
            if value < least:
                raise OptionError(f"--{name} is {value}; it must be at least {least}")


def _exactly_one(given: HotSwapOptions, one: str, other: str) -> None:
    _at_most_one(given, one, other)
    if not getattr(given, one) and not getattr(given, other):
        raise OptionError(f"--{one} or --{other} is missing")


def _at_most_one(given: HotSwapOptions, one: str, other: str) -> None:
    if getattr(given, one) and getattr(given, other):
        raise OptionError(f"--{one} and --{other} exclude each other")
