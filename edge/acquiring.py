"""Bringing a release into a device's folder: its signature first, then its bytes, its files, and what its model answers."""

from __future__ import annotations

from collections.abc import Callable

from edge.device_folder import DeviceFolder
from edge.device_state import Release
from edge.probing import probe
from edge.steps import At, Step
from models.artefacts import Artefact
from models.components.component import Component
from models.components.opening import open_component
from models.components.twin import DesiredModel
from models.errors import ComponentFault, ComponentRefused
from models.signatures.bundles import DeviceKeys
from models.signatures.statements import StatementMalformed, read_bundle

_UNTOLD_VERSION = "0.0.0"
"""What stands in a twin that tells none."""
