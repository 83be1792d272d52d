"""`python -m launch.demo.tasks FOLDER`: draws what two models answer to photographs: a mask, and boxes.

The models are made here, vetted as any other, and answer as the job lets them; the photographs are scikit-learn's.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from launch.demo.task_models import save_box_model, save_mask_model
from models.answering import answers
from models.hosting.hosted_engine import Hosts
from models.images.decoding import Raster
from models.live import LiveModel
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.tasks import Detections, Mask, Prediction
from models.vetting import Vetter

SIZE = (384, 256)
"""Width and height of a picture, in pixels."""
_COLOURS = 128
_OPACITY = 0.55
_FRAME = (255, 220, 0)


def answered(model: Path, photograph: NDArray[np.uint8], cache: Path) -> Prediction:
    """What a model file answers to a photograph, once it is vetted.

    Raises:
        ModelRejected, ModelUnfit, ImageError: it answers nothing.
    """
    with contextlib.closing(Vetter(LocalStorage(), ArtefactCache(cache), largest_batch=1)) as vetter:
        vetted = vetter.vet(str(model))
    with contextlib.closing(Hosts()) as hosts:
        live = LiveModel(vetted.reference, vetted.artefact.manifest, hosts.load(vetted.artefact, threads=1))
        (answer,) = answers(live, [Raster(photograph)])
    if isinstance(answer, Exception):
        raise answer
    return answer


def with_mask(photograph: NDArray[np.uint8], mask: Mask) -> Image.Image:
    """The photograph, and beside it the same under the colours of its mask."""
    plain = Image.fromarray(photograph).resize(SIZE)
    colours = Image.open(io.BytesIO(mask.png)).convert("RGB").resize(SIZE, Image.Resampling.NEAREST)
    picture = Image.new("RGB", (2 * SIZE[0], SIZE[1]))
    picture.paste(plain, (0, 0))
    picture.paste(Image.blend(plain, colours, _OPACITY), (SIZE[0], 0))
    return picture


def with_boxes(photograph: NDArray[np.uint8], found: Detections) -> Image.Image:
    """The photograph with a frame around each thing that was found, its label and its probability."""
    picture = Image.fromarray(photograph).resize(SIZE)
    pen = ImageDraw.Draw(picture)
    for what, box in found.detections:
        corners = [share * side for share, side in zip(box, SIZE * 2, strict=True)]
        pen.rectangle(corners, outline=_FRAME, width=2)
        pen.text((corners[0], corners[1] - 14), f"{what.label} {what.score:.2f}", fill=_FRAME)
    return picture


def main(folder: Path) -> None:
    """Writes `mask.png` and `boxes.png` into a folder."""
    from sklearn.datasets import load_sample_image

    folder.mkdir(parents=True, exist_ok=True)
    tower, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    with tempfile.TemporaryDirectory(prefix="hotswap-tasks-") as work:
        mask = answered(save_mask_model(Path(work) / "mask.onnx"), tower, Path(work) / "cache")
        boxes = answered(save_box_model(Path(work) / "boxes.onnx"), flower, Path(work) / "cache")
    assert isinstance(mask, Mask) and isinstance(boxes, Detections)
    for name, picture in (("mask", with_mask(tower, mask)), ("boxes", with_boxes(flower, boxes))):
        picture.quantize(_COLOURS).save(folder / f"{name}.png", optimize=True)
    print("\n".join(f"{share.label:8} {share.share:.0%}" for share in mask.shares))
    print(
        "\n".join(
            f"{what.label:8} {what.score:.2f} {[round(each, 2) for each in box]}" for what, box in boxes.detections
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
