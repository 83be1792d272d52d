"""What verbs that make components have in common."""

from __future__ import annotations

from enum import StrEnum
from typing import get_args

from models.components.component import TARGETS
from models.releasing.packaging import DeviceEngine


class EngineOfDevices(StrEnum):
    """What executes the model on the device."""

    ONNX = "onnx"
    OPENVINO = "openvino"
    AUTO = "auto"


class TargetDevice(StrEnum):
    """The device."""

    X86_64 = "linux-x86_64"
    AARCH64 = "linux-aarch64"


assert tuple(TargetDevice) == TARGETS and tuple(EngineOfDevices) == get_args(DeviceEngine)
