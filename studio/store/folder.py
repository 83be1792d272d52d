"""Corrections as a folder, the way retraining reads them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.printable import json_text
from studio.errors import StudioRefused, Trouble
from studio.retraining.corrections import CORRECTIONS
from studio.store.records import Correction

_OURS = re.compile(r"\d{7,}\.png")


def image_name(correction: Correction) -> str:
    """Of its image in a folder or a ZIP; of its number alone, so that it is a safe one everywhere."""
    return f"{correction.number:07d}.png"


def line_of(correction: Correction) -> bytes:
    """Its line in `corrections.jsonl`. Whose it was is not in it."""
    fields = {
        "image": image_name(correction),
        "label": correction.label,
        "unseen": correction.unseen,
        "answer": correction.answer,
        "score": correction.score,
        "model_id": correction.model_id,
        "time": correction.time,
    }
    return json_text(fields).encode() + b"\n"


def export_folder(pages: Iterator[Sequence[Correction]], folder: Path) -> int:
    """As of `Corrections.export`: written beside, then put in the place of what was there."""
    folder = folder.resolve()
    _require_ours(folder)
    # Of names that stay, so that what a killed export left goes with the next.
    fresh, former = (folder.with_name(f".{folder.name}.{word}") for word in ("fresh", "former"))
    _remove(fresh)
    try:
        fresh.mkdir(parents=True, mode=0o700)
        count = 0
        with (fresh / CORRECTIONS).open("wb") as lines:
            for page in pages:
                for correction in page:
                    (fresh / image_name(correction)).write_bytes(correction.png)
                    lines.write(line_of(correction))
                    count += 1
        _put_in_place(fresh, folder, former)
    finally:
        _remove(fresh)
    return count


def _put_in_place(fresh: Path, folder: Path, former: Path) -> None:
    _remove(former)
    if folder.exists():
        folder.rename(former)
    try:
        fresh.rename(folder)
    except BaseException:
        if former.exists():
            former.rename(folder)
        raise
    _remove(former)


def _require_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudioRefused(Trouble.NOT_POSSIBLE, f"{folder} is a file; corrections are exported to a folder")
    strange = [each.name for each in folder.iterdir() if each.name != CORRECTIONS and not _OURS.fullmatch(each.name)]
    if strange:
        raise StudioRefused(
            Trouble.NOT_POSSIBLE,
            f"{folder} holds {ascii(min(strange))[:100]}, which no export wrote: it would be lost; name another folder",
        )


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
