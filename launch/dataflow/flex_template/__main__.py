"""What Google's template launcher runs in the container: turns the template's parameters into the job's options.

A template's parameters are each given at most once and always have a value, `--name=value`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from beam_pipeline.__main__ import main
from beam_pipeline.option_table import OPTIONS, SEPARATOR, Kind
from beam_pipeline.options import OptionError
from launch.code_version import labels, setup_file
from launch.dataflow.worker_processes import MANY_PROCESSES, Processes


def job_options(parameters: Sequence[str]) -> Iterator[str]:
    """The job's command line for a template's.

    Raises:
        OptionError: `processes` is none of those that there are.
    """
    values = dict(_named(parameter) for parameter in parameters)
    if MANY_PROCESSES not in values.get("experiments", ""):
        yield from _processes(values.get("processes", "")).beam_options()  # first, so that whoever says more has it
    for parameter in parameters:
        name, value = _named(parameter)
        kind = OPTIONS[name].kind if name in OPTIONS else None
        if kind is Kind.SWITCH:  # as a parameter it is true or false
            if value.lower() == "true":
                yield f"--{name}"
        elif kind is not None and kind.several:
            yield from (f"--{name}={each}" for each in value.split(SEPARATOR))
        elif (value or "=" not in parameter) and name != "processes":
            yield parameter
    if "sdk_container_image" not in values and (packaging := setup_file()) is not None:
        yield f"--setup_file={packaging}"
    yield from (f"--labels={key}={value}" for key, value in labels().items())


def _named(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.removeprefix("--").partition("=")
    return name, value


def _processes(value: str) -> Processes:
    try:
        return Processes(value or Processes.ONE)
    except ValueError as error:
        raise OptionError(f"--processes is {value!r}; {' or '.join(Processes)} is expected") from error


def launch(parameters: Sequence[str]) -> int:
    """Starts the job; returns the exit code."""
    try:
        options = list(job_options(parameters))
    except OptionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return main(options)


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
