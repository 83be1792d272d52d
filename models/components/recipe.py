"""A component's recipe, by which AWS IoT Greengrass V2 deploys it and runs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from models.components.component import Component, Target
from models.version import VERSION

RECIPE = "recipe.yaml"
RECIPE_FORMAT = "2020-01-25"
RUNTIME_COMPONENT = "hotswap.edge"
"""The component that installs the distribution `hotswap-edge`, into the environment that its `Root` names."""
DEFAULT_INTERVAL = 10
"""Seconds."""

_ARCHITECTURES: dict[Target, str] = {"linux-x86_64": "amd64", "linux-aarch64": "aarch64"}
"""What Greengrass calls the processors."""
_RUN = (
    'exec "{RUNTIME:configuration:/Root}/bin/hotswap-edge" run --component "{artifacts:decompressedPath}/STEM" '
    '--images "{configuration:/Images}" --interval "{configuration:/Interval}" --output "{configuration:/Output}"'
)


def recipe(components: Sequence[Component], uris: Sequence[str]) -> bytes:
    """The recipe of one version.

    Args:
        components: of one name and version, for different targets; at least one.
        uris: where the archive of each is.

    Returns:
        YAML, the same for the same arguments.
    """
    import yaml

    first = components[0]
    value: dict[str, Any] = {
        "RecipeFormatVersion": RECIPE_FORMAT,
        "ComponentName": first.name,
        "ComponentVersion": first.version,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"The model {first.model_id}, for hotswap-edge",
        "ComponentConfiguration": {
            "DefaultConfiguration": {
                "Interval": DEFAULT_INTERVAL,
                "Images": f"/var/lib/hotswap/{first.name}/images",
                "Output": f"/var/lib/hotswap/{first.name}/results.jsonl",
            }
        },
        "ComponentDependencies": {
            RUNTIME_COMPONENT: {"VersionRequirement": _compatible(VERSION), "DependencyType": "HARD"}
        },
        "Manifests": [_manifest(*each) for each in zip(components, uris, strict=True)],
    }
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=4096)
    return text.encode()


def _manifest(component: Component, uri: str) -> dict[str, Any]:
    return {
        "Platform": {"os": "linux", "architecture": _ARCHITECTURES[component.target]},
        "Lifecycle": {"Run": {"Script": _RUN.replace("RUNTIME", RUNTIME_COMPONENT).replace("STEM", component.stem)}},
        "Artifacts": [{"URI": uri, "Unarchive": "ZIP", "Permission": {"Read": "OWNER", "Execute": "NONE"}}],
    }


def _compatible(version: str) -> str:
    """Any version of the runtime that reads the same form of components."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version, re.ASCII)
    assert match is not None
    major, minor, _ = map(int, match.groups())
    below = f"{major + 1}.0.0" if major else f"{major}.{minor + 1}.0"
    return f">={version} <{below}"
