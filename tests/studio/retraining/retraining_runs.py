"""The project as people run it, `kedro run` from its folder, and folders of corrections for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import studio.retraining
from studio.retraining.digits import Digits, load_digits

PROJECT = Path(studio.retraining.__file__).parent


@dataclass(frozen=True)
class Place:
    """Where one run, or several, work."""

    folder: Path

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def corrections(self) -> Path:
        return self.folder / "corrections"

    @property
    def candidate(self) -> Path:
        return self.folder / "work" / "digits.keras"

    @property
    def parameters(self) -> dict[str, Any]:
        """What says so to Kedro."""
        return {"work": f"{self.folder}/work", "models": str(self.models), "corrections": str(self.corrections)}

    def told(self, name: str) -> Any:
        """What a run wrote: `verdict`, `report`, `data_report`."""
        return json.loads((self.folder / "work" / f"{name}.json").read_text(encoding="utf-8"))

    def published(self) -> list[Path]:
        """All that lies in the model folder, oldest first."""
        return sorted(self.models.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def start(pipeline: str, place: Place, **parameters: Any) -> subprocess.Popen[str]:
    """`kedro run` of a pipeline; what it says is on its standard error."""
    said = ",".join(f"{name}={value}" for name, value in (place.parameters | parameters).items())
    return subprocess.Popen(
        [Path(sys.executable).with_name("kedro"), "run", "--pipeline", pipeline, "--params", said],
        cwd=PROJECT,
        env=os.environ | {"DO_NOT_TRACK": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(pipeline: str, place: Place, **parameters: Any) -> Any:
    """The verdict of a run that ended well."""
    process = start(pipeline, place, **parameters)
    _, said = process.communicate()
    assert process.returncode == 0, said
    return place.told("verdict")


def inverted_digits(count: int) -> Digits:
    """Black on white, as no model has learnt them: what it misreads."""
    digits, _ = load_digits()
    return Digits(255 - digits.pixels[-count:], digits.labels[-count:])


def export(folder: Path, corrected: Digits, unseen: bool | None = None) -> None:
    """Corrections as the page exports them; all on one side, or each on that which follows from its pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number, (pixels, label) in enumerate(zip(corrected.pixels, corrected.labels, strict=True)):
        save_png(folder / f"{number}.png", pixels)
        lines.append(line(f"{number}.png", int(label), unseen))
    (folder / "corrections.jsonl").write_text("".join(lines), encoding="utf-8")


def line(image: object, label: object, unseen: bool | None = None) -> str:
    """A line of `corrections.jsonl`."""
    correction: dict[str, object] = {"image": image, "label": label, "answer": "1", "model_id": "m.keras@sha256:0"}
    if unseen is not None:
        correction["unseen"] = unseen
    return json.dumps({**correction, "time": "2030-01-02T03:04:05Z"}) + "\n"


def save_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """A grey image."""
    Image.fromarray(pixels).save(path)
