"""What people give beside a model: labels and cards, in files of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.card import MAX_CARD_BYTES, parse_card
from models.errors import ModelRejected, ReleaseError, one_line


def read_labels(path: Path) -> list[str]:
    """The labels in a file, in the order of the model's outputs.

    Args:
        path: UTF-8 text with one label a line, or a JSON list of texts. Lines that all begin with their own number, as
            Teachable Machine writes them (`0 Cats`, `1 Dogs`), lose it.

    Raises:
        ReleaseError: unreadable, empty, or neither of the two.
    """
    text = _small_text(path, "labels")
    if text.lstrip().startswith(("[", "{")):
        try:
            labels = json.loads(text)
        except ValueError as error:
            raise ReleaseError(f"the labels in {path} are not JSON: {one_line(error)}") from error
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise ReleaseError(f"the labels in {path} are not a JSON list of texts")
    else:
        labels = [line.strip() for line in text.rstrip().splitlines()]
        if "" in labels and text.strip():
            raise ReleaseError(f"line {labels.index('') + 1} of {path} is empty; one label a line is expected")
        labels = _without_numbers(labels)
    if not labels:
        raise ReleaseError(f"{path} holds no labels")
    return labels


def _without_numbers(lines: list[str]) -> list[str]:
    """The lines without the index that each begins with; as they are where one begins otherwise, or is nothing else."""
    parts = [line.split(maxsplit=1) for line in lines]
    numbered = all(len(part) == 2 and part[0] == str(index) for index, part in enumerate(parts))
    return [part[1] for part in parts] if numbered else lines


def read_card_file(path: Path) -> dict[str, Any]:
    """The JSON object in a card file; its fields are checked by vetting.

    Raises:
        ReleaseError: unreadable, or not a JSON object.
    """
    try:
        return parse_card(_small_text(path, "card"))
    except ModelRejected as rejection:
        raise ReleaseError(f"{path}: {rejection.detail}") from rejection


def _small_text(path: Path, what: str) -> str:
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ReleaseError(f"the {what} file {path} is larger than {MAX_CARD_BYTES >> 20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ReleaseError(f"the {what} file {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ReleaseError(f"the {what} file {path} is not UTF-8 text") from error
