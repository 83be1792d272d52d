"""Corrections in one file: a ZIP, or Parquet."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, BinaryIO

from studio.retraining.corrections import CORRECTIONS
from studio.store.folder import image_name, line_of
from studio.store.records import Correction

_IN_MEMORY = 1 << 20
_READABLE_BY_ALL = 0o644 << 16


def write_zip(pages: Iterator[Sequence[Correction]], file: BinaryIO) -> int:
    """As of `Corrections.write_zip`; images are not compressed, for they are already."""
    count = 0
    # Lines come last, as a ZIP is written one file after the other.
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as lines, zipfile.ZipFile(file, "w") as archive:
        for page in pages:
            for correction in page:
                archive.writestr(_member(image_name(correction), correction.time), correction.png)
                lines.write(line_of(correction))
                count += 1
        lines.seek(0)
        member = zipfile.ZipInfo(CORRECTIONS)
        member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, _READABLE_BY_ALL
        with archive.open(member, "w", force_zip64=True) as target:
            shutil.copyfileobj(lines, target)
    return count


def _member(name: str, time: str) -> zipfile.ZipInfo:
    # What has no earlier years than 1980.
    moment = max(datetime.fromisoformat(time).timetuple()[:6], (1980, 1, 1, 0, 0, 0))
    member = zipfile.ZipInfo(name, date_time=moment)
    member.external_attr = _READABLE_BY_ALL
    return member


def write_parquet(pages: Iterator[Sequence[Correction]], file: BinaryIO) -> int:
    """As of `Corrections.write_parquet`; a row group a page."""
    import pyarrow
    from pyarrow import parquet

    schema = pyarrow.schema(
        [
            pyarrow.field("number", pyarrow.int64(), nullable=False),
            pyarrow.field("drawing", pyarrow.string(), nullable=False),
            pyarrow.field("png", pyarrow.binary(), nullable=False),
            pyarrow.field("label", pyarrow.int8(), nullable=False),
            pyarrow.field("answer", pyarrow.string()),
            pyarrow.field("score", pyarrow.float64()),
            pyarrow.field("model_id", pyarrow.string()),
            pyarrow.field("unseen", pyarrow.bool_(), nullable=False),
            pyarrow.field("time", pyarrow.timestamp("us", tz="UTC"), nullable=False),
        ]
    )
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for page in pages:
            writer.write_table(pyarrow.Table.from_pylist([_row(each) for each in page], schema))
            count += len(page)
    return count


def _row(correction: Correction) -> dict[str, Any]:
    return {
        "number": correction.number,
        "drawing": correction.drawing,
        "png": correction.png,
        "label": correction.label,
        "answer": correction.answer,
        "score": correction.score,
        "model_id": correction.model_id,
        "unseen": correction.unseen,
        "time": datetime.fromisoformat(correction.time),
    }
