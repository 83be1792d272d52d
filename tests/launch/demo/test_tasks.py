"""The pictures of the documentation are drawn of what models really answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launch.demo.task_models import COLOURS
from launch.demo.tasks import SIZE, main
from tests.models.vetting.processes import ROOT


def test_a_mask_and_boxes_are_drawn_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(tmp_path / "new")
    *shares, flower = capsys.readouterr().out.splitlines()
    assert {share.split()[0] for share in shares} == set(COLOURS)
    box = [float(each) for each in flower.split("[")[1].rstrip("]").split(",")]
    np.testing.assert_allclose(box, [0.27, 0.22, 0.67, 0.82], atol=0.03)
    for name, width in (("mask", 2 * SIZE[0]), ("boxes", SIZE[0])):
        drawn, kept = tmp_path / "new" / f"{name}.png", ROOT / "docs" / f"{name}.png"
        with Image.open(drawn) as picture, Image.open(kept) as written:
            assert picture.size == written.size == (width, SIZE[1])
            apart = np.abs(np.asarray(picture.convert("RGB"), int) - np.asarray(written.convert("RGB"), int))
            assert apart.mean() < 5
        assert kept.stat().st_size < 100_000
