"""What `docs/tasks.md` says of tasks and cards is what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from models.card import Card, InputSpec, Task, read_card
from models.detection_card import DetectionSpec

_PAGE = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
_CARDS = [
    line for block in re.findall(r"```json\n(.*?)```", _PAGE, re.DOTALL) for line in block.splitlines() if line.strip()
]
_OF_IMAGES_AND_NAMES = {"name", "version", "input", "tags", "description"}


def first_cells(after: str) -> list[str]:
    """The names in the first column of the first table after a line."""
    rows = re.search(r"(?:^\|.*\n)+", _PAGE.partition(after)[2], re.MULTILINE)
    assert rows is not None
    return re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows[0].splitlines()[2:]))


def test_every_task_is_explained_in_its_order() -> None:
    assert first_cells("# Tasks") == list(get_args(Task))


def test_every_field_of_a_card_that_is_about_tasks_is_explained() -> None:
    assert set(first_cells("## What a card may say")) == set(Card.__dataclass_fields__) - _OF_IMAGES_AND_NAMES


def test_every_field_of_a_detection_is_explained() -> None:
    assert set(first_cells("`detection` in the card")) == set(DetectionSpec.__dataclass_fields__)


@pytest.mark.parametrize("text", _CARDS)
def test_every_card_of_the_page_is_one(text: str) -> None:
    read_card(json.loads(text), Card("m", "", (), "raw", InputSpec(8, 8)))
