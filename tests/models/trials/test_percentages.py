"""A percentage that people write is a share, and what is none is refused in words."""

from __future__ import annotations

import pytest

from models.trials.percentages import share_of


@pytest.mark.parametrize(
    ("text", "share"), [("0%", 0.0), ("0.1%", 0.001), ("80%", 0.8), ("100%", 1.0), ("100.0%", 1.0), ("05%", 0.05)]
)
def test_a_percentage_is_a_share(text: str, share: float) -> None:
    assert share_of(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "%", "5", "0.05", "-1%", "100.1%", "101%", "1e1%", "nan%", "5 %", "5%\n", "٥%"])
def test_what_is_none_is_refused_in_one_line_that_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no percentage between 0% and 100%, such as 0\.1%") as refused:
        share_of(text)
    assert "\n" not in str(refused.value)
