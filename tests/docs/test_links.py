"""Every link of the documentation that stays in this project leads somewhere: to a file, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
_PAGES = [
    *sorted((_ROOT / "docs").glob("*.md")),
    *(_ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]
_LINK = re.compile(r"\]\((?!https?://)([^)\s#]*)(?:#([^)\s]+))?\)")


def without_code(page: Path) -> str:
    """Its text, without what is in fences: a comment of a shell is no heading."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """What its headings are called in links."""
    headings = re.findall(r"^#+ (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    lost = [
        f"{name}#{heading}" if heading else name
        for name, heading in _LINK.findall(without_code(page))
        if not (to := page.parent / name if name else page).exists()
        or (heading and to.suffix == ".md" and heading not in anchors(to))
    ]

    assert lost == []
