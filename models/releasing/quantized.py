"""From a model to the same in 8 bits, if it still answers as it did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.artefacts import Vetted
from models.errors import QuantizedOtherwise
from models.releasing.agreement import Agreement, agreement
from models.releasing.calibration import Track, calibrate
from models.releasing.card_in_file import embed_card, embedded_card
from models.vetting.vetter import Vetter

LEAST_AGREEMENT = 0.98


@dataclass(frozen=True, slots=True)
class Quantization:
    """What a quantized model is held to.

    Attributes:
        calibration: a local folder of images, like those that it will be asked about.
        least_agreement: the share of them that must get the answer of the original, 0..1.
    """

    calibration: Path
    least_agreement: float = LEAST_AGREEMENT


@dataclass(frozen=True, slots=True)
class Telling:
    """How somebody who waits is told.

    Attributes:
        step: is told what takes long, and entered while it does.
        track: goes through the files that are read.
    """

    step: Callable[[str], AbstractContextManager[None]] = lambda text: nullcontext()
    track: Track = iter


SILENT = Telling()


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized model.

    Attributes:
        path: the file, with its card in it.
        agreement: with the original.
        skipped: files of the calibration that are no images.
    """

    path: Path
    agreement: Agreement
    skipped: int


def quantize(model: Path, vetter: Vetter, wanted: Quantization, telling: Telling = SILENT) -> Quantized:
    """Writes a model in 8 bits beside itself, as ONNX and with a card that says all that was known of the original.

    Args:
        model: with its card in it.
        vetter: in whose child processes the model is vetted and quantized; nothing is loaded from it here before.
        wanted: with which images, and how well.
        telling: is told how far it is.

    Raises:
        ModelRejected: the model, or what became of it, with the reason.
        QuantizedOtherwise: it answers otherwise too often.
        ReleaseError: the images are too few.
        VettingFailed, OSError: from this machine; nothing was found out.
    """
    with telling.step("vetting it as it is"):
        original = vetter.vet(str(model))
    images = calibrate(wanted.calibration, original.artefact.manifest, model.with_name("images.npy"), telling.track)
    path = model.with_name("quantized.onnx")
    with telling.step(f"quantizing it with {images.images} images"):
        vetter.quantize(model, images.path, path)
    embed_card(path, _whole_card(original, embedded_card(model)))
    with telling.step("vetting it in 8 bits, and comparing the two"):
        reached = agreement(original.artefact, vetter.vet(str(path)).artefact, images.batch())
    if reached.share < wanted.least_agreement:
        raise QuantizedOtherwise(
            f"in 8 bits it answers otherwise too often: {reached}, where {wanted.least_agreement:.1%} are asked for; "
            "calibrate it with more images like those that it will get, or publish it without --precision"
        )
    return Quantized(path, reached, images.skipped)


def _whole_card(original: Vetted, written: dict[str, Any]) -> dict[str, Any]:
    """All that is known of the original: how it scales its pixels, say, cannot be read off a model in 8 bits."""
    known = original.artefact.manifest.card.to_json() | {"name": written.get("name")}
    return {field: value for field, value in known.items() if value}
