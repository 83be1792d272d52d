"""What a process may take of this machine."""

from __future__ import annotations

from models.memory import host_bytes


def test_what_a_manifest_says_lifts_no_limit_beyond_what_the_machine_has() -> None:
    assert host_bytes(0, 64 << 30) == 1 << 30
    assert host_bytes(2 << 30, 64 << 30) == 4 << 30
    assert host_bytes(1 << 40, 8 << 30) == 6 << 30
    assert host_bytes(1 << 40, 1 << 30) == 1 << 30
