"""A small part of `make zoo`: what it measures is what it says, and these files are served as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.zoo.saving import architectures
from benchmarks.zoo.table import write_page
from benchmarks.zoo.visit import Kind, Visit, visit


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [("MobileNetV3Small", Kind("3", ".h5")), ("EfficientNetB0", Kind("2", ".h5"))],
    ids=str,
)
def test_an_architecture_is_served_fast_frugally_and_as_its_framework_answers(architecture: str, kind: Kind) -> None:
    found = visit(architecture, kind, "auto")

    assert found.verdict == "accepted"
    assert found.engine == "openvino"
    assert found.scaled_by_itself
    assert 0 < found.vetting_bytes <= found.allowed_bytes
    assert found.is_good
    assert min(found.alone, found.batched, found.own_alone, found.own_batched) > 0


def test_every_architecture_is_listed_by_program() -> None:
    assert {"ResNet50", "VGG16", "EfficientNetV2L", "ConvNeXtXLarge"} <= set(architectures("3"))
    assert set(architectures("3")) < set(architectures("2"))


def test_the_page_has_a_row_for_each_file_and_keeps_its_text(tmp_path: Path) -> None:
    page = tmp_path / "models.md"
    page.write_text("before\n<!-- zoo: begin -->\nold\n<!-- zoo: end -->\nafter\n")
    good = Visit("A", "Keras 3 .h5", engine="openvino", alone=0.01, batched=0.005, own_alone=0.02, own_batched=0.02)
    bad = Visit("B", "Keras 3 .h5", verdict="too_large: no")

    write_page(page, [good, bad])
    write_page(page, [good, bad])

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "### Keras 3 .h5: 1 of 2 accepted" in text
    assert "| A | yes | openvino |" in text
    assert "| 2.0 | 4.0 |" in text
    assert "| B | no: too_large: no |" in text
    assert text.count("| A |") == 1
