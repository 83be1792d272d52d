"""What Google's template launcher runs in the container: turns the template's parameters into the job's options.

A template's parameters are each given at most once and always have a value, `--name=value`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from beam_pipeline.__main__ import main
from beam_pipeline.option_table import OPTIONS, SEPARATOR, Kind
from launch.code_version import labels, setup_file


def job_options(parameters: Iterable[str]) -> Iterator[str]:
    """The job's command line for a template's."""
    has_image = False
    for parameter in parameters:
        name, _, value = parameter.removeprefix("--").partition("=")
        has_image = has_image or name == "sdk_container_image"
        kind = OPTIONS[name].kind if name in OPTIONS else None
        if kind is Kind.SWITCH:  # as a parameter it is true or false
            if value.lower() == "true":
                yield f"--{name}"
        elif kind is not None and kind.several:
            yield from (f"--{name}={each}" for each in value.split(SEPARATOR))
        elif value or "=" not in parameter:
            yield parameter
    if not has_image and (packaging := setup_file()) is not None:
        yield f"--setup_file={packaging}"
    yield from (f"--labels={key}={value}" for key, value in labels().items())


def launch(parameters: Sequence[str]) -> int:
    """Starts the job; returns the exit code."""
    return main(list(job_options(parameters)))


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
