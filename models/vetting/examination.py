"""The examination itself: card, probe, compile, compare. Runs in the vetting child."""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from models.artefacts import EngineChoice, EngineName, Manifest
from models.card import MAX_SIDE, Card, InputSpec, Layout, Task, parse_card, read_card
from models.errors import ModelFault, ModelRejected, one_line
from models.images.decoding import Raster
from models.images.model_input import model_input
from models.vetting.candidate import Candidate, Predict, Shape, is_out_of_memory
from models.vetting.file_checks import identify
from models.vetting.job import Job
from models.vetting.opening import open_candidate

ABSOLUTE_TOLERANCE = 1e-4
RELATIVE_TOLERANCE = 1e-3
"""How far compiled outputs may lie from the model's own: |a - b| <= 1e-4 + 1e-3 |b|, on the probe images."""


ANY_SIZE = 224
"""Pixels, of each side of the images for a model that takes any: what most architectures were trained on."""
_SMALLER = "make the model or --max_batch_size smaller"


def examine(job: Job, built: Path) -> Manifest:
    """Vets one file and leaves its compiled form in `built`.

    Args:
        job: what to vet, and how.
        built: an empty folder for the compiled form.

    Raises:
        ModelRejected: with the reason.
    """
    started = time.monotonic()
    path = Path(job.path)
    candidate = open_candidate(path, identify(path), job.memory_bytes)
    written = parse_card(candidate.card_text) if candidate.card_text is not None else {}
    spec = input_spec(candidate.input_shape, written)
    spec, notes = _scaled_once(candidate, spec, written)
    # Only the probe can tell the outputs, and the probe needs the card's scaling: hence two passes.
    draft = _manifest(job, candidate, Card(job.name, "", (), "raw", spec), written)
    outputs = _probe(candidate.answer, draft, job.batch_sizes)
    inferred = Card(job.name, "", (), _inferred_task(outputs), spec)
    manifest = _manifest(job, candidate, inferred, written, outputs=math.prod(outputs.shape[1:]))
    check_labels(manifest.card, outputs)
    engine, reason = _compile(candidate, manifest, job.choice, built, job.batch_sizes)
    return Manifest(
        sha256=manifest.sha256,
        engine=engine,
        engine_reason=reason,
        card=manifest.card,
        input_shape=manifest.input_shape,
        input_dtype=manifest.input_dtype,
        outputs=manifest.outputs,
        seconds=time.monotonic() - started,
        notes=(*_any_size(candidate.input_shape, spec, written), *notes),
    )


def _scaled_once(candidate: Candidate, spec: InputSpec, written: dict[str, Any]) -> tuple[InputSpec, list[str]]:
    """The input with pixels 0..255 where the model scales them itself, and what is to be said of its scaling."""
    asked = written.get("input", {})
    if any(field in asked for field in ("scale", "mean", "std")) or not candidate.input_dtype.startswith("float"):
        return spec, []
    beginning = candidate.beginning()
    if beginning is not None and beginning.takes_pixels:
        return replace(spec, scale=1.0), [f"it scales its pixels itself ({beginning}), and gets them as 0..255"]
    return spec, [
        "nothing in it says how it wants its pixels, and it gets them as 0..1; "
        "if it was trained on others, say so in its card's `input`: `scale`, `mean`, `std`"
    ]


def _any_size(shape: Shape, spec: InputSpec, written: dict[str, Any]) -> list[str]:
    if not _takes_any_size(shape) or "height" in written.get("input", {}):
        return []
    return [f"it takes any size, and gets {spec.height}x{spec.width}; its card's `input` may say another"]


def input_spec(shape: Shape, written: dict[str, Any]) -> InputSpec:
    """The input that a model of this shape wants, where its card does not say otherwise.

    Raises:
        ModelRejected: `wrong_input`; no image fits the shape, or the card contradicts it.
    """
    asked = written.get("input") if isinstance(written.get("input"), dict) else {}
    asked = cast(dict[str, Any], asked)
    height, width, channels, layout = _dimensions(shape, asked)
    if _takes_any_size(shape) and not {"height", "width"} & set(asked):
        height = width = ANY_SIZE
    if any(side is not None and not 1 <= side <= MAX_SIDE for side in (height, width)):
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"takes {_shown(shape)}; the sides of an image lie between 1 and {MAX_SIDE} pixels"
        )
    given = read_card(written, Card("", "", (), "raw", InputSpec(height or 1, width or 1, channels or 3, layout))).input
    for name, size in (("height", height), ("width", width)):
        if size is None and name not in asked:
            raise ModelRejected(ModelFault.WRONG_INPUT, f"takes any {name}; say which one in the card's `input.{name}`")
    expected = [(height, given.height), (width, given.width), (channels, given.channels)]
    if any(own is not None and own != card for own, card in expected) or given.layout != layout:
        raise ModelRejected(
            ModelFault.WRONG_INPUT,
            f"takes {_shown(shape)}, but its card says {given.height}x{given.width}x{given.channels} {given.layout}; "
            "correct the card's `input`",
        )
    return InputSpec(given.height, given.width, given.channels, layout)


def _dimensions(shape: Shape, asked: dict[str, Any]) -> tuple[int | None, int | None, Literal[1, 3] | None, Layout]:
    """Height, width, channels (None: any) and layout of a model's input shape."""
    match shape:
        case (height, width):
            return height, width, 1, "NHWC"
        case (int(size),) if all(isinstance(asked.get(side), int) for side in ("height", "width")):
            height, width = asked["height"], asked["width"]
            for channels in (1, 3):
                if height * width * channels == size:
                    return height, width, channels, asked.get("layout", "NHWC")
        case (1 | 3 as channels, height, width) if asked.get("layout", _guessed(shape)) == "NCHW":
            return height, width, channels, "NCHW"
        case (height, width, 1 | 3 | None as channels):
            return height, width, channels, "NHWC"
    raise ModelRejected(
        ModelFault.WRONG_INPUT,
        f"takes {_shown(shape)}, which is no image of 1 or 3 channels; a card's `input` may say how it is one",
    )


def _takes_any_size(shape: Shape) -> bool:
    return len(shape) == 3 and (None, None) in (shape[:2], shape[1:])


def _guessed(shape: Shape) -> Layout:
    return "NCHW" if shape[2] not in (1, 3, None) or shape[1:] == (None, None) else "NHWC"


def _shown(shape: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _manifest(job: Job, candidate: Candidate, inferred: Card, written: dict[str, Any], outputs: int = 0) -> Manifest:
    spec = inferred.input
    sizes = (
        [spec.height, spec.width, spec.channels] if spec.layout == "NHWC" else [spec.channels, spec.height, spec.width]
    )
    known: tuple[int, ...] = tuple(sizes)
    if len(candidate.input_shape) == 2:
        known = (spec.height, spec.width)
    elif len(candidate.input_shape) == 1:
        known = (math.prod(sizes),)
    return Manifest(
        sha256=job.sha256,
        engine="onnx",
        engine_reason="",
        card=read_card(written, inferred),
        input_shape=known,
        input_dtype=candidate.input_dtype,
        outputs=outputs,
        seconds=0.0,
    )


def _probe_batch(manifest: Manifest, size: int) -> NDArray[Any]:
    """`size` fixed images: black, white, a gradient, then noise, always the same."""
    spec = manifest.card.input
    noise = np.random.default_rng(20_240_229).integers(0, 256, (size, spec.height, spec.width, 3), np.uint8)
    gradient = np.linspace(0, 255, spec.width, dtype=np.uint8)[None, :, None]
    for image, fixed in zip(noise, (0, 255, gradient), strict=False):
        image[...] = fixed
    return model_input([Raster(pixels) for pixels in noise], manifest)


def _probe(answer: Predict, manifest: Manifest, batch_sizes: tuple[int, ...]) -> NDArray[Any]:
    """The outputs for the largest batch, once they have proved finite, stable in shape and repeatable.

    Raises:
        ModelRejected: `wrong_input`, `wrong_output`, `non_finite_output`, `unstable_output` or `too_large`.
    """
    outputs = np.empty(0)
    shapes: set[tuple[int, ...]] = set()
    for size in batch_sizes:
        batch = _probe_batch(manifest, size)
        outputs = _asked(answer, batch)
        if outputs.ndim == 0 or outputs.shape[0] != size or outputs.size == 0:
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT,
                f"answers {size} images with an output of shape {outputs.shape}; each image needs a row of its own",
            )
        shapes.add(outputs.shape[1:])
        if len(shapes) > 1:
            raise ModelRejected(
                ModelFault.WRONG_OUTPUT, f"its output shape depends on the batch: {sorted(shapes)}; it must not"
            )
        if outputs.dtype.kind not in "fiu":
            raise ModelRejected(ModelFault.WRONG_OUTPUT, f"its outputs are {outputs.dtype}; numbers are expected")
        if not np.isfinite(outputs).all():
            raise ModelRejected(
                ModelFault.NON_FINITE_OUTPUT,
                "its outputs for plain images are not finite; look for NaN weights or a wrong scaling",
            )
    if not _agree(_asked(answer, batch), outputs):
        raise ModelRejected(
            ModelFault.UNSTABLE_OUTPUT, "answers the same images differently the second time; take its randomness out"
        )
    return outputs


def _asked(answer: Predict, batch: NDArray[Any]) -> NDArray[Any]:
    try:
        outputs = answer(batch)
    except Exception as error:  # whatever a layer raises, the model cannot answer
        if is_out_of_memory(error):
            raise ModelRejected(
                ModelFault.TOO_LARGE, f"a batch of {len(batch)} needs more memory than vetting allows; {_SMALLER}"
            ) from error
        raise ModelRejected(
            ModelFault.WRONG_INPUT, f"cannot answer a plain image: {one_line(error)}; say in its card what it takes"
        ) from error
    return _as_numbers(outputs)


def _as_numbers(outputs: NDArray[Any]) -> NDArray[Any]:
    """NumPy by itself knows neither bfloat16 nor the 8-bit floats."""
    return outputs.astype(np.float32) if outputs.dtype.kind == "V" else outputs


def _agree(ours: NDArray[Any], theirs: NDArray[Any]) -> bool:
    return ours.shape == theirs.shape and np.allclose(ours, theirs, RELATIVE_TOLERANCE, ABSOLUTE_TOLERANCE)


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    if ours.shape != theirs.shape:
        return math.inf
    return float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max())


def _inferred_task(outputs: NDArray[Any]) -> Task:
    if outputs.ndim != 2:
        return "raw"
    return "classification" if outputs.shape[1] > 1 else "regression"


def check_labels(card: Card, outputs: NDArray[Any]) -> None:
    """Holds the card's task and labels against the outputs of the probe.

    Raises:
        ModelRejected: `wrong_output` or `labels_mismatch`.
    """
    if card.task != "classification":
        return
    if outputs.ndim != 2:
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"a classification whose outputs have shape {outputs.shape[1:]}; say `task` raw in its card",
        )
    if card.labels and len(card.labels) != outputs.shape[1]:
        raise ModelRejected(
            ModelFault.LABELS_MISMATCH,
            f"{len(card.labels)} labels for {outputs.shape[1]} outputs; give the card one label for each",
        )


def _compile(
    candidate: Candidate, manifest: Manifest, choice: EngineChoice, built: Path, batch_sizes: tuple[int, ...]
) -> tuple[EngineName, str]:
    """The engine that serves the model, and why; its compiled form is in `built`.

    Raises:
        ModelRejected: `unsupported_layer`; no allowed engine gives the model's own outputs. `too_large`; compiling
            it takes more memory than vetting allows. `wrong_input`; it cannot answer its probe images.
    """
    batches = [_probe_batch(manifest, size) for size in batch_sizes[-2:]]
    own = [_asked(candidate.answer, batch) for batch in batches]
    allowed = [name for name in candidate.engines if choice in ("auto", name)] or list(candidate.engines)
    refused = []
    for engine in allowed:
        try:
            answer = candidate.compile(engine, built)
            compiled = [_as_numbers(answer(batch)) for batch in batches]
        except Exception as error:  # exporters raise anything; the next engine may still do
            if is_out_of_memory(error):
                raise ModelRejected(
                    ModelFault.TOO_LARGE, f"cannot be compiled in the memory allowed; {_SMALLER}"
                ) from error
            refused.append(f"{engine}: {one_line(error, 120)}")
        else:
            difference = max(map(_difference, compiled, own))
            if all(map(_agree, compiled, own)):
                return engine, "; ".join([*refused, f"{engine} agrees within {difference:.1e}"])
            refused.append(f"{engine}: outputs differ by {difference:.1e}")
        for left_over in built.iterdir():
            shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()
    raise ModelRejected(
        ModelFault.UNSUPPORTED_LAYER, f"cannot be compiled ({'; '.join(refused)}); build it of other layers"
    )
