"""What Google's console asks of who starts the template: made from the table of the job's options.

`python -m launch.dataflow.flex_template.metadata` writes it down, as `metadata.json`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from beam_pipeline.option_table import OPTIONS, SEPARATOR, Kind, Option
from launch.dataflow import resource_names
from launch.dataflow.worker_processes import Processes

WRITTEN = Path(__file__).with_name("metadata.json")

_WORKER_IMAGE = {
    "name": "sdk_container_image",
    "label": "Worker image",
    "helpText": "Container image of the workers: the image of this template. Without it each worker installs the code "
    "as it starts, which takes minutes.",
    "isOptional": True,
    "regexes": [f"^{resource_names.IMAGE}$"],
    "paramType": "TEXT",
}
_WORKER_PROCESSES = {
    "name": "processes",
    "label": "Processes on each worker",
    "helpText": "One for all of its vCPUs, or one for each, which takes as many times the memory.",
    "isOptional": True,
    "paramType": "ENUM",
    "defaultValue": Processes.ONE.value,
    "enumOptions": [{"value": each.value, "label": each.about} for each in Processes],
}


def metadata() -> dict[str, Any]:
    """As https://cloud.google.com/dataflow/docs/guides/templates/configuring-flex-templates describes it."""
    return {
        "name": "Hot-swap image inference",
        "description": "Predicts the images that Pub/Sub messages name, with the newest valid model of a bucket; a "
        "better model takes over while the job runs.",
        "streaming": True,
        "supportsAtLeastOnce": True,
        "supportsExactlyOnce": True,
        "defaultStreamingMode": "EXACTLY_ONCE",
        "parameters": [*map(_parameter, OPTIONS.values()), _WORKER_IMAGE, _WORKER_PROCESSES],
    }


def _parameter(option: Option) -> dict[str, Any]:
    ending = f"; several are separated by {SEPARATOR}" if option.kind.several else "."
    parameter: dict[str, Any] = {
        "name": option.name,
        "label": option.title,
        "helpText": f"{option.about[0].upper()}{option.about[1:]}{ending}",
        "isOptional": not option.required,
        "paramType": option.kind.parameter_type,
    }
    if option.kind.regex is not None:
        parameter["regexes"] = [f"^{option.kind.regex}$"]
    if option.default is not None:
        parameter["defaultValue"] = str(option.default).lower() if option.kind is Kind.SWITCH else str(option.default)
    if option.choices:
        parameter["enumOptions"] = [{"value": value, "label": label} for value, label in option.choices.items()]
    return parameter


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(metadata(), indent=2) + "\n", encoding="utf-8")
    print(f"wrote {WRITTEN}")
