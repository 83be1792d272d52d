"""Where compiled models are kept must be writable."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.doctor.machine import cache


def test_a_cache_that_cannot_be_written_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "file" / "cache"))
    [finding] = cache()
    assert finding.level == "fail"
    assert "HOTSWAP_CACHE" in finding.remedy
