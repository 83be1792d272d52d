"""The tables of a page of the documentation."""

from __future__ import annotations


def table(page: str, head: str) -> list[list[str]]:
    """The cells of the table whose head line begins so, without its two head lines."""
    lines = page.partition(f"\n| {head} |")[2].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def first_words(page: str, head: str) -> list[str]:
    """What its rows begin with."""
    return [row[0].strip("`") for row in table(page, head)]
