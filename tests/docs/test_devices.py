"""What `docs/devices.md` says is what there is: its table of words, and the form of what it shows."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from models.components.recipe import RECIPE_FORMAT, RUNTIME_COMPONENT
from models.errors import ComponentFault, FetchFault
from models.version import VERSION

_PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text()


@pytest.mark.parametrize(("head", "words"), [("| word |", ComponentFault), ("| word of a download |", FetchFault)])
def test_each_word_is_explained_once_in_its_order(head: str, words: type[StrEnum]) -> None:
    table = _PAGE.partition(head)[2].partition("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == [str(word) for word in words]


def test_the_runtime_that_it_shows_is_the_one_that_components_need() -> None:
    shown = yaml.safe_load(_PAGE.partition("```yaml\n")[2].partition("```")[0])

    assert (shown["RecipeFormatVersion"], shown["ComponentName"]) == (RECIPE_FORMAT, RUNTIME_COMPONENT)
    assert shown["ComponentVersion"] == VERSION
    assert "Root" in shown["ComponentConfiguration"]["DefaultConfiguration"]
    assert VERSION in shown["Manifests"][0]["Artifacts"][0]["URI"]
