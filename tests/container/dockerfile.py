"""What the container is made of, as its Dockerfile says."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = "launch/dataflow/container/Dockerfile"
SERVING_DOCKERFILE = "launch/container/serving.Dockerfile"


def base_images(dockerfile: str) -> list[str]:
    """The images that it begins with and does not make itself, in their order, with its arguments' defaults put in."""
    before_stages, _, _ = dockerfile.partition("\nFROM ")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)", before_stages, re.M))
    named = re.findall(r"^FROM (\S+)(?: AS (\S+))?", dockerfile, re.M)
    stages = {stage for _, stage in named}
    images = [re.sub(r"\$\{(\w+)\}", lambda name: defaults[name[1]], image) for image, _ in named]
    return [image for image in images if image not in stages]


def beam_version(dockerfile: str) -> str:
    """The release of Beam whose `boot` it takes."""
    [version] = re.findall(r"^FROM apache/beam_python\S+:(\S+)", dockerfile, re.M)
    return str(version)
