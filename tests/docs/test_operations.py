"""What `docs/operations.md` lists is what there is: its tables are held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from beam_pipeline.option_table import OPTIONS
from models.errors import ImageFault, ModelFault
from tests.docs.tables import first_words, table
from transforms import metrics

_PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()


def metric_names() -> set[str]:
    """Every name in `transforms.metrics`; a prefix stands for what begins with it."""
    constants = {name: value for name, value in vars(metrics).items() if name.isupper() and isinstance(value, str)}
    names = set(constants.values()) - {metrics.NAMESPACE, metrics.OTHER_MODELS}
    return {name + "…" if name.endswith("_") else name for name in names}


@pytest.mark.parametrize(("head", "words"), [("error", ImageFault), ("reason", ModelFault)])
def test_each_word_is_explained_once_in_its_order(head: str, words: type[ImageFault] | type[ModelFault]) -> None:
    assert first_words(_PAGE, head) == [str(word) for word in words]


def test_each_metric_is_explained_once() -> None:
    assert sorted(first_words(_PAGE, "metric")) == sorted(metric_names())


def test_each_option_of_trials_is_explained_with_its_default() -> None:
    told = {row[0].strip("`").removeprefix("--"): row[1].strip("`") for row in table(_PAGE, "option of trials")}
    options = {name: option for name, option in OPTIONS.items() if name.startswith(("trial", "feedback"))}
    assert told == {name: str(option.default or "none") for name, option in options.items()}


@pytest.mark.parametrize("head", ["error", "reason", "metric", "option of trials"])
def test_no_cell_is_empty(head: str) -> None:
    assert all(len(row) == 3 and all(row) for row in table(_PAGE, head))


def test_every_metric_that_code_counts_is_a_name_of_the_one_module() -> None:
    literal = re.compile(r"meter\.(?:count|observe)\(\s*[\"f]")
    folders = (Path(__file__).parents[2] / name for name in ("models", "transforms", "beam_pipeline", "launch"))

    assert [path for folder in folders for path in folder.rglob("*.py") if literal.search(path.read_text())] == []
