"""Tags as a mapping, for programs that look one up."""

from __future__ import annotations

from models.tags import by_key


def test_tags_are_told_by_key() -> None:
    told = by_key(["stage=live", "fast", "data=a=b", "stage=two", "empty="])
    assert told == {"stage": "live, two", "fast": "", "data": "a=b", "empty": ""}
