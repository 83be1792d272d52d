"""Where the studio keeps what."""

from __future__ import annotations

from pathlib import Path

from studio.places import Places


def test_what_is_kept_is_its_owners_alone_and_models_are_for_all(tmp_path: Path) -> None:
    root = tmp_path / "studio"
    root.mkdir(mode=0o755)
    places = Places(root, tmp_path / "models")
    places.make()
    places.make()
    assert root.stat().st_mode & 0o777 == 0o700
    assert places.models.stat().st_mode & 0o777 != 0o700
