"""What passes between the vetting child and its parent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.errors import ModelFault, ModelRejected
from models.vetting.job import VERDICT, read_verdict, write_verdict


@pytest.mark.parametrize(
    "verdict", [b"", b"{", b"[]", b"3", b'{"accepted": 3}', b'{"accepted": {}}', b'{"rejected": {"fault": "nonsense"}}',
                b'{"rejected": []}', b"[" * 100_000, b"\xff"],
)  # fmt: skip
def test_a_garbage_verdict_is_none(verdict: bytes, tmp_path: Path) -> None:
    (tmp_path / VERDICT).write_bytes(verdict)
    assert read_verdict(tmp_path) is None


def test_a_verdict_may_not_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text('{"rejected": {"fault": "crashed", "detail": ""}}')
    (tmp_path / VERDICT).symlink_to(tmp_path / "real.json")
    assert read_verdict(tmp_path) is None


def test_a_verdicts_detail_is_one_line_whatever_was_written(tmp_path: Path) -> None:
    write_verdict(tmp_path, ModelRejected(ModelFault.NOT_A_MODEL, "two\nlines\x1b" + "x" * 9999))
    read = read_verdict(tmp_path)
    assert isinstance(read, ModelRejected)
    assert read.detail.isprintable()
    assert len(read.detail) <= 500
    (tmp_path / VERDICT).write_text(json.dumps({"rejected": {"fault": "crashed", "detail": ["a\nb", "\ud800"]}}))
    read = read_verdict(tmp_path)
    assert isinstance(read, ModelRejected)
    assert read.detail.isprintable()
