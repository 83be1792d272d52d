"""The options by which verbs say how components are made, in one place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any

import typer

from launch.device_options import EngineOfDevices
from launch.quantizing import Calibration, LeastAgreement, NumberPrecision, quantization_of
from launch.signing import Certificates, SignKey, signer_of
from models.releasing.packaging import DeviceEngine
from models.releasing.quantized import Quantization
from models.signatures.signer import Signer

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "engine": (
        Annotated[
            EngineOfDevices, typer.Option(help="What executes it; auto: the faster one here, and onnx for aarch64.")
        ],
        EngineOfDevices.ONNX,
    ),
    "precision": (
        Annotated[NumberPrecision, typer.Option(help="int8: in 8 bits, if it answers as before; needs --calibration.")],
        NumberPrecision.FP32,
    ),
    "calibration": (Calibration, None),
    "least_agreement": (LeastAgreement, None),
    "sign": (SignKey, None),
    "certificate": (Certificates, None),
}
MAKING = tuple(_OPTIONS)
"""The names of these options' parameters."""


@dataclass(frozen=True, slots=True)
class Making:
    """How components are made.

    Attributes:
        engine: what executes them.
        quantization: for 8 bits; None for the numbers of the file.
        signer: signs each; nobody does where None.
    """

    engine: DeviceEngine
    quantization: Quantization | None
    signer: Signer | None


def with_making_flags(verb: Callable[..., int]) -> Callable[..., int]:
    """Gives a verb these options, and hands what they say on as its argument `making`.

    What is called raises CommandRefused where options do not go together, and KeyUnusable as of `Signer`.
    """
    own = [each for each in inspect.signature(verb, eval_str=True).parameters.values() if each.name != "making"]
    made = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]

    @wraps(verb)
    def called_with_flags(**values: Any) -> int:
        given = {name: values.pop(name) for name in _OPTIONS}
        making = Making(
            given["engine"].value,
            quantization_of(given["precision"], given["calibration"], given["least_agreement"]),
            signer_of(given["sign"], given["certificate"] or ()),
        )
        return verb(**values, making=making)

    del called_with_flags.__wrapped__  # its signature is another one
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in [*own, *made]]
    called_with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called_with_flags.__annotations__ = {each.name: each.annotation for each in parameters}
    return called_with_flags
