"""The component that the demonstration breaks is whole, but for its answers."""

from __future__ import annotations

from pathlib import Path

from edge.device_models import DeviceModels
from launch.demo.broken_component import make_broken
from launch.demo.signing_keys import make_keys
from models.reference import sha256_of
from models.registry.cache import ArtefactCache
from models.signatures.bundles import DeviceKeys
from tests.component_files import component, component_of, unpacked


def test_a_device_takes_it_for_whole_and_signed_and_gives_it_up_for_its_answers(tmp_path: Path):
    private, public = make_keys(tmp_path)
    good = unpacked(component_of(tmp_path / "good"), tmp_path / "current")
    archive = make_broken(good, tmp_path, private, "3.0.0")
    assert component(archive).title == "animals 3.0.0"
    assert component(archive).model_id == component(next((tmp_path / "good").glob("*.zip"))).model_id
    signature = archive.with_name(f"{archive.name}.sig").read_text()
    assert DeviceKeys([public.read_text()]).signed_digest(signature).sha256 == sha256_of(archive)
    told: list[str] = []
    with DeviceModels(archive, ArtefactCache(tmp_path / "cache"), told.append) as models:
        assert models.look() is None
        assert models.live.await_any(30)  # or none can be
        models.tell_events()
    assert any("non_finite_output" in line for line in told)
    assert not any(line.startswith("live: ") for line in told)
