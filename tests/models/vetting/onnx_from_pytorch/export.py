"""Makes the files of this folder, with both exporters of PyTorch: run by hand, from the root of the repository.

    python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch onnx onnxscript onnxruntime
    /tmp/torch/bin/python -m tests.models.vetting.onnx_from_pytorch.export

`answers.npz` has what PyTorch itself answers, float32, to the images of `exported_images`. A name begins with its
exporter: `script` (TorchScript) or `dynamo`. What the exporter notes of this machine's source files is taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from torch import nn

from tests.models.vetting.exported_images import images

FOLDER = Path(__file__).parent
COUNT, SIDE, ANY_SIDE = 5, 32, 224
BATCH = {0: "n"}
EVERY_SIZE = {0: "n", 2: "height", 3: "width"}
REFUSED = ("bfloat16", "double", "one_image", "weights_beside")
EVERY_DIMENSION = {0: "n", 1: "channels", 2: "height", 3: "width"}


class Convolutions(nn.Module):
    """A classifier whose answer to an image of any size is five class scores."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(-3),
            nn.Linear(8, 5),
        )

    def forward(self, pixels: Any) -> Any:
        return self.body(pixels)


class Scaling(nn.Module):
    """The same, for pixels 0..255, which it normalizes itself."""

    def __init__(self, channels_last: bool) -> None:
        super().__init__()
        self.convolutions = Convolutions()
        self.channels_last = channels_last
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, pixels: Any) -> Any:
        first = pixels.permute(0, 3, 1, 2) if self.channels_last else pixels
        return self.convolutions((first.float() / 255 - self.mean) / self.deviation)


class Transformer(nn.Module):
    """A vision transformer of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 8) * 0.1)
        self.places = nn.Parameter(torch.randn(1, 17, 8) * 0.1)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu", dropout=0.0)
        self.answer = nn.Linear(8, 5)

    def forward(self, pixels: Any) -> Any:
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(patches.shape[0], -1, -1), patches], 1) + self.places
        return self.answer(self.layer(tokens)[:, 0])


class OneImage(nn.Module):
    """A model that wants no batch, and answers one image of three channels with three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.found = nn.Conv2d(3, 4, 3)
        self.answer = nn.Linear(4, 3)

    def forward(self, pixels: Any) -> Any:
        return self.answer(torch.relu(self.found(pixels)).mean((-1, -2)))


def main() -> None:
    torch.manual_seed(7)
    for exporter in (_with_script, _with_dynamo):
        exporter("fixed_1", Convolutions(), _unit(1))
        exporter("fixed_4", Convolutions(), _unit(4))
        exporter("any_size", Convolutions(), _unit(2, ANY_SIDE), EVERY_SIZE)
        exporter("half", Convolutions().half(), _unit(2).half(), BATCH)
        exporter("bytes", Scaling(channels_last=True), _pixels(2), BATCH)
        exporter("scaling", Scaling(channels_last=False), _pixels(2).permute(0, 3, 1, 2).float(), BATCH)
        exporter("transformer", Transformer(), _unit(2), BATCH)
        exporter("double", Convolutions().double(), _unit(2).double(), BATCH)
        exporter("bfloat16", Convolutions().bfloat16(), _unit(2).bfloat16(), BATCH)
        exporter("one_image", OneImage(), _unit(1)[0])
    _with_script("every_dimension", Convolutions(), _unit(2, ANY_SIDE), EVERY_DIMENSION)
    for opset in (9, 13, 17):
        _with_script(f"opset_{opset:02}", Convolutions(), _unit(2), BATCH, opset)
    for opset in (18, 23, 26):
        _with_dynamo(f"opset_{opset:02}", Convolutions(), _unit(2), BATCH, opset)
    _with_dynamo("weights_beside", Convolutions(), _unit(1), external_data=True)
    _quantize()
    np.savez_compressed(FOLDER / "answers.npz", allow_pickle=False, **ANSWERS)


def _pixels(count: int, side: int = SIDE) -> Any:
    return torch.from_numpy(images(COUNT, side, side))[:count]


def _unit(count: int, side: int = SIDE) -> Any:
    return _pixels(count, side).permute(0, 3, 1, 2).float() / 255


ANSWERS: dict[str, Any] = {}


def _answer(name: str, model: Any, example: Any) -> None:
    """Keeps what the model says to all images, given to it as to `example`, if there is anything to compare it with."""
    if name.partition("_")[2] in REFUSED:
        return
    side = example.shape[-2] if example.shape[-1] == 3 else example.shape[-1]
    whole = _unit(COUNT, side) if example.is_floating_point() else _pixels(COUNT, side)
    if example.is_floating_point() and float(example.max()) > 1:
        whole = whole * 255
    with torch.no_grad():
        ANSWERS[name] = model(whole.to(example.dtype)).float().numpy()


def _prepared(model: Any) -> Any:
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.1, 0.1)
            part.running_var.uniform_(0.5, 1.5)
        if isinstance(part, nn.Conv2d | nn.Linear):  # so that the answers to two images differ by much
            part.weight.data *= 3
    return model.eval()


def _with_script(name: str, model: Any, example: Any, free: Any = None, opset: int | None = None) -> None:
    path = FOLDER / f"script_{name}.onnx"
    axes = {"images": free, "scores": BATCH} if free else None
    torch.onnx.export(
        _prepared(model),
        (example,),
        str(path),
        dynamo=False,
        input_names=["images"],
        output_names=["scores"],
        dynamic_axes=axes,
        opset_version=opset,
    )
    _answer(path.stem, model, example)


def _with_dynamo(
    name: str, model: Any, example: Any, free: Any = None, opset: int | None = None, external_data: bool = False
) -> None:
    path = FOLDER / f"dynamo_{name}.onnx"
    shapes = (dict.fromkeys(free, torch.export.Dim.DYNAMIC),) if free else None
    torch.onnx.export(
        _prepared(model),
        (example,),
        str(path),
        dynamo=True,
        input_names=["images"],
        output_names=["scores"],
        dynamic_shapes=shapes,
        opset_version=opset,
        external_data=external_data,
    )
    _without_sources(path)
    _answer(path.stem, model, example)


def _without_sources(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    described = (model.graph.input, model.graph.output, model.graph.initializer, model.graph.value_info)
    for part in (model, model.graph, *model.graph.node, *(each for group in described for each in group)):
        del part.metadata_props[:]
    path.write_bytes(model.SerializeToString())
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)


class _Calibration(CalibrationDataReader):
    def __init__(self) -> None:
        self._batches: Iterator[Any] = iter([{"images": 255 * image[None].numpy()} for image in _unit(COUNT)])

    def get_next(self) -> Any:
        return next(self._batches, None)


def _quantize() -> None:
    """Of a model of PyTorch, whose answers these should still give, but for what eight bits cannot tell."""
    source = FOLDER / "script_scaling.onnx"
    ways: dict[str, Callable[[str], None]] = {
        "static_qdq": lambda target: quantize_static(
            source, target, _Calibration(), quant_format=QuantFormat.QDQ, per_channel=True
        ),
        "static_qdq_signed": lambda target: quantize_static(
            source, target, _Calibration(), quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8
        ),
        "static_operators": lambda target: quantize_static(
            source, target, _Calibration(), quant_format=QuantFormat.QOperator
        ),
        "dynamic": lambda target: quantize_dynamic(source, target),
    }
    for name, quantize in ways.items():
        quantize(str(FOLDER / f"quantized_{name}.onnx"))
        ANSWERS[f"quantized_{name}"] = ANSWERS[source.stem]


if __name__ == "__main__":
    main()
