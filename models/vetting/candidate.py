"""A candidate that is open: what it takes and what it answers. Runs in the vetting child."""

from __future__ import annotations

from collections.abc import Sized
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from models.artefacts import INPUT_DTYPES, EngineName
from models.engines.engine import Outputs, Predict
from models.errors import ModelFault, ModelRejected, one_line
from models.tasks.training import Loss
from models.vetting.own_scaling import Beginning

Shape = tuple[int | None, ...]


class Candidate(Protocol):
    """A model file, open in the vetting child.

    Attributes:
        card_text: its card as written; None without one.
        input_shape: of one image, without the batch; None where any size will do.
        input_dtype: NumPy's name.
        input_name: as the model names it.
        outputs: their names, in the model's own order; at least one.
        labels: of its classes, where the model itself bears them; () elsewhere.
        engines: what can execute it, best first.
        own: the engine that `run` computes with.
        costly: engines that are not worth compiling it for while another answers as it does.
        on_gpu: whether `run` computes on a GPU.
        is_half: whether it computes in 16 bits, at least in part.
        is_quantized: whether it computes in 8 bits, at least in part.
    """

    card_text: str | bytes | None
    input_shape: Shape
    input_dtype: str
    input_name: str
    outputs: tuple[str, ...]
    labels: tuple[str, ...]
    engines: tuple[EngineName, ...]
    own: EngineName
    costly: tuple[EngineName, ...]
    on_gpu: bool
    is_half: bool
    is_quantized: bool

    def beginning(self) -> Beginning | None:
        """What the arithmetic that it begins with makes of black and white images; None where it begins otherwise."""

    def endings(self) -> tuple[str | None, ...]:
        """The operation that makes each output, as its framework calls it; None where none tells what its numbers are.

        Operations that only move numbers about do not count.
        """

    def origin(self) -> str | None:
        """See `origins.origin_of`."""

    def loss(self) -> Loss | None:
        """What it was trained with, where its file tells."""

    def answer(self, batch: NDArray[Any]) -> Outputs:
        """What the model gives before it is compiled, in the plainest way that there is."""

    def run(self, batch: NDArray[Any]) -> Outputs:
        """The same in the quickest way that there is before it is compiled."""

    def write_onnx(self, path: Path) -> None:
        """Writes it as a file of ONNX.

        Raises:
            Exception: whatever the exporter raises when the model cannot be written so.
        """

    def compile(self, engine: EngineName, folder: Path) -> Predict:
        """Writes the compiled form into `folder` and returns it, loaded.

        Raises:
            Exception: whatever the exporter raises when the model cannot be compiled.
        """


def require_one_input(inputs: Sized) -> None:
    """Refuses a model of several inputs.

    Raises:
        ModelRejected: `wrong_input`.
    """
    if len(inputs) != 1:
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"takes {len(inputs)} inputs; a model must take one batch of images"
        )


def image_dtype(dtype: str) -> str:
    """NumPy's name of a dtype, if images can have it.

    Raises:
        ModelRejected: `wrong_input`.
    """
    if dtype not in INPUT_DTYPES:
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"takes {one_line(dtype, 40)}, which no image can be; let it take float32"
        )
    return dtype
