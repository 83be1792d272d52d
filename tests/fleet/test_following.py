"""A model that goes live comes to devices: packaged once, whatever is cut off on the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fleet.fleet import Fleet
from fleet.following import Following, Wanted
from fleet.packing import Packer, Recipe
from fleet.rollouts import Plan
from models.components.component import TARGETS
from models.components.twin import MOST_MODELS, Reported
from models.reference import ModelReference, sha256_of
from models.releasing.quantized import Quantization
from models.signatures.signer import Signer
from models.signatures.trusted import TrustedKeys
from models.storage.schemes import AnyStorage
from models.troubles import Troubles
from models.vetting.session import vetting
from tests.component_files import component
from tests.fleet.simulated import record, versions
from tests.launch.tiny_models import tiny_onnx
from tests.models.signatures.makers import Maker

AT_ONCE = Plan()


class Live:
    """Which model is live, as a test says.

    Attributes:
        models: what is wanted.
    """

    def __init__(self) -> None:
        self.models: Sequence[Wanted] = ()

    def wanted(self) -> Sequence[Wanted]:
        return self.models


class Followed:
    """What follows the live model, as a process that begins anew would; and what it says."""

    def __init__(self, fleet: Fleet, folder: Path, **recipe: Any) -> None:
        self.said: list[str] = []
        self.outcomes: list[str] = []
        self.now = 0.0
        self.live = Live()
        self.packer = Packer(
            AnyStorage(),
            fleet.releases,
            Recipe(str(folder / "shelf"), **recipe),
            partial(vetting, AnyStorage(), max_batch_size=2),
            lambda: 1.0,
        )
        self.following = Following(
            self.live, fleet, self.packer, AT_ONCE, self.said.append, Troubles(self.said.append), self.outcomes.append,
            stopwatch=lambda: self.now,
        )  # fmt: skip

    def goes_live(self, model: Path, sha256: str | None = None) -> None:
        """A model goes live, and is seen."""
        self.live.models = [Wanted("model", ModelReference(str(model), sha256 or sha256_of(model)))]
        self.look()

    def look(self) -> None:
        """A look, long after the one before."""
        self.now += 1000
        self.following.look()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def address(tmp_path: Path) -> str:
    """What is tested here is the same in any database."""
    return f"sqlite:///{tmp_path}/fleet.db"


def records(fleet: Fleet) -> list[tuple[str, str]]:
    """Version and target of all that is on record."""
    return [(each.version, each.target) for each in fleet.releases.all()]


def test_a_model_that_goes_live_comes_to_devices_and_a_restart_changes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(model)
    fleet.advance()
    [release] = fleet.releases.all()
    assert (release.version, release.source_sha256) == ("1.0.0", sha256_of(model))
    assert release.model_id == ModelReference(str(model), sha256_of(model)).model_id
    assert sha256_of(Path(release.uri)) == release.sha256
    assert component(Path(release.uri)).model_id == release.model_id
    assert [line.split(":")[0] for line in followed.said] == ["packaged model 1.0.0 for linux-x86_64"]
    before = fleet.twins.read("robot-1")
    assert [each.sha256 for each in before.models] == [release.sha256]
    followed.look()
    again = Followed(fleet, tmp_path)
    again.goes_live(model)
    fleet.advance()
    assert again.said == []
    assert fleet.twins.read("robot-1") == before
    assert len(fleet.rollouts.all()) == 1


def test_an_earlier_model_that_is_live_again_is_the_release_that_is_there(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    first, second = (tiny_onnx(tmp_path / "models" / f"{favours}.onnx", favours=favours) for favours in (0, 1))
    followed = Followed(fleet, tmp_path)
    for model, version in ((first, "1.0.0"), (second, "2.0.0"), (first, "1.0.0")):
        followed.goes_live(model)
        fleet.advance()
        assert versions(fleet) == {"robot-1": version}
    assert [version for version, _ in records(fleet)] == ["1.0.0", "2.0.0"]
    assert [each.version for each in fleet.rollouts.all()] == ["1.0.0", "2.0.0", "1.0.0"]


def test_what_people_pushed_since_is_not_undone_by_a_restart(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    followed = Followed(fleet, tmp_path)
    for favours in (0, 1):
        followed.goes_live(tiny_onnx(tmp_path / "models" / f"{favours}.onnx", favours=favours))
    fleet.rollouts.back("model")
    Followed(fleet, tmp_path).goes_live(tmp_path / "models" / "1.onnx")
    fleet.advance()
    assert versions(fleet) == {"robot-1": "1.0.0"}


def test_one_that_was_shelved_and_not_recorded_is_completed(fleet: Fleet, tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    with Fleet(f"sqlite:///{tmp_path}/lost.db") as lost:
        Followed(lost, tmp_path).goes_live(model)
        [shelved] = lost.releases.all()
    Followed(fleet, tmp_path).goes_live(model)
    [release] = fleet.releases.all()
    assert (release.version, release.sha256, release.uri) == ("1.0.0", shelved.sha256, shelved.uri)


def test_a_version_that_is_taken_on_the_shelf_is_left_alone(fleet: Fleet, tmp_path: Path) -> None:
    first, second = (tiny_onnx(tmp_path / "models" / f"{favours}.onnx", favours=favours) for favours in (0, 1))
    with Fleet(f"sqlite:///{tmp_path}/lost.db") as lost:
        Followed(lost, tmp_path).goes_live(first)
        [shelved] = lost.releases.all()
    Followed(fleet, tmp_path).goes_live(second)
    [release] = fleet.releases.all()
    assert release.version == "2.0.0"
    assert sha256_of(Path(shelved.uri)) == shelved.sha256


def test_one_that_was_recorded_and_not_rolled_out_is_completed(fleet: Fleet, tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    followed = Followed(fleet, tmp_path)
    followed.packer.release("model", ModelReference(str(model), sha256_of(model)), ["linux-x86_64"])
    assert fleet.rollouts.all() == []
    followed.goes_live(model)
    assert [each.version for each in fleet.rollouts.all()] == ["1.0.0"]


def test_a_device_of_another_target_gets_the_same_version(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tiny_onnx(tmp_path / "models" / "a.onnx"))
    fleet.advance()
    before = fleet.twins.read("robot-1")
    fleet.devices.add("robot-2", target="linux-aarch64")
    followed.look()
    fleet.advance()
    assert records(fleet) == [("1.0.0", "linux-aarch64"), ("1.0.0", "linux-x86_64")]
    assert versions(fleet) == {"robot-1": "1.0.0", "robot-2": "1.0.0"}
    assert fleet.twins.read("robot-1") == before


def test_other_terms_make_another_version(fleet: Fleet, tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    Followed(fleet, tmp_path).goes_live(model)
    Followed(fleet, tmp_path, engine="openvino").goes_live(model)
    assert [each.version for each in fleet.rollouts.all()] == ["1.0.0", "2.0.0"]


def test_another_key_makes_another_version_and_one_that_was_moved_does_not(fleet: Fleet, tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    key, moved = Maker(tmp_path / "keys", "maker").private, tmp_path / "moved.pem"
    Followed(fleet, tmp_path, signer=Signer(key)).goes_live(model)
    key.rename(moved)
    Followed(fleet, tmp_path, signer=Signer(moved)).goes_live(model)
    assert [each.version for each in fleet.releases.all()] == ["1.0.0"]
    rotated = Maker(tmp_path / "keys", "maker")
    Followed(fleet, tmp_path, signer=Signer(rotated.private)).goes_live(model)
    _, second = fleet.releases.all()
    assert second.version == "2.0.0"
    assert second.signature is not None
    assert TrustedKeys([rotated.public.read_text()]).require_signed(Path(second.uri), second.signature.encode())


def test_other_images_to_calibrate_with_are_other_terms_and_a_moved_folder_is_not(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in range(3):
        (images / f"{number}.png").write_bytes(bytes([number]))
    before = Recipe("/shelf", quantization=Quantization(images)).terms()
    moved = images.rename(tmp_path / "moved")
    assert Recipe("/shelf", quantization=Quantization(moved)).terms() == before
    (moved / "1.png").write_bytes(b"another image")
    assert Recipe("/shelf", quantization=Quantization(moved)).terms() != before


def test_a_model_that_cannot_be_packaged_is_told_once_and_changes_nothing(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tiny_onnx(tmp_path / "models" / "a.onnx"))
    fleet.advance()
    before = fleet.twins.read("robot-1")
    followed.said.clear()
    followed.goes_live(tiny_onnx(tmp_path / "models" / "b.onnx", finite=False))
    followed.look()
    fleet.advance()
    [line] = followed.said
    assert followed.outcomes == ["packaged", "refused"]
    assert "b.onnx" in line and "cannot be packaged: non_finite_output" in line
    assert fleet.twins.read("robot-1") == before


def test_a_device_that_says_now_this_now_that_of_itself_has_nothing_be_tried_again(
    fleet: Fleet, tmp_path: Path
) -> None:
    fleet.devices.add("robot-1")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tiny_onnx(tmp_path / "models" / "b.onnx", finite=False))
    for target in (*TARGETS, *TARGETS):
        fleet.twins.write_reported("robot-1", Reported((), "0.2.0", target))
        followed.look()
    assert followed.outcomes == ["refused"] * len(TARGETS)


def test_a_great_version_on_record_keeps_no_model_away(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    record(fleet, "999999999.0.0")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tiny_onnx(tmp_path / "models" / "a.onnx"))
    fleet.advance()
    assert followed.outcomes == ["packaged"]
    assert versions(fleet) == {"robot-1": "999999999.1.0"}


def test_a_file_that_is_not_there_is_told_once_and_waited_for(fleet: Fleet, tmp_path: Path) -> None:
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    away = model.rename(tmp_path / "away")
    followed = Followed(fleet, tmp_path)
    followed.goes_live(model, sha256_of(away))
    followed.look()
    [line] = followed.said
    assert "it is tried again" in line
    away.rename(model)
    followed.look()
    assert [version for version, _ in records(fleet)] == ["1.0.0"]


def test_one_that_waits_does_not_hold_up_the_next(fleet: Fleet, tmp_path: Path) -> None:
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tmp_path / "models" / "gone.onnx", "ab" * 32)
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    followed.live.models = [Wanted("model", ModelReference(str(model), sha256_of(model)))]
    followed.following.look()
    assert [version for version, _ in records(fleet)] == ["1.0.0"]


def test_a_file_that_changed_since_it_went_live_is_not_packaged(fleet: Fleet, tmp_path: Path) -> None:
    followed = Followed(fleet, tmp_path)
    followed.goes_live(tiny_onnx(tmp_path / "models" / "a.onnx"), "ab" * 32)
    assert records(fleet) == [] and followed.said == []


def test_a_database_that_does_not_answer_is_told_once(fleet: Fleet, tmp_path: Path) -> None:
    followed = Followed(fleet, tmp_path)
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    fleet.close()
    for database in tmp_path.glob("fleet.db*"):
        database.unlink()
    followed.goes_live(model)
    followed.look()
    assert len(followed.said) == 1


def test_the_others_follow_whoever_follows_the_first(fleet: Fleet, tmp_path: Path) -> None:
    for device in ("robot-1", "robot-2", "robot-3"):
        fleet.devices.add(device)
    fleet.assignments.assign("model", "nothing", device="robot-2")
    fleet.assignments.assign("cats", "nothing", device="robot-3")
    followed = Followed(fleet, tmp_path)
    models = [tiny_onnx(tmp_path / "models" / f"{each}.onnx", favours=each) for each in (0, 1)]
    first, second = (ModelReference(str(model), sha256_of(model)) for model in models)
    followed.live.models = [Wanted("model", first), Wanted("cats", second)]
    followed.look()
    fleet.advance()
    assert versions(fleet) == {"robot-1": "1.0.0", "robot-3": "1.0.0"}
    assert versions(fleet, "cats") == {"robot-1": "1.0.0"}
    assert [each.name for each in fleet.twins.read("robot-1").models] == ["model", "cats"]


def test_more_models_than_a_device_can_have_keep_neither_the_live_one_nor_what_fits(
    fleet: Fleet, tmp_path: Path
) -> None:
    for device in ("robot-1", "robot-2"):
        fleet.devices.add(device)
    followed = Followed(fleet, tmp_path)
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    of = ModelReference(str(model), sha256_of(model))
    followed.live.models = [Wanted("model", of), *(Wanted(f"m{number:02}", of) for number in range(MOST_MODELS + 5))]
    followed.look()
    fleet.advance()
    names = [f"m{number:02}" for number in range(MOST_MODELS - 1)]
    for device in ("robot-1", "robot-2"):
        assert sorted(each.name for each in fleet.twins.read(device).models) == [*names, "model"]
    told = [line for line in followed.said if not line.startswith("packaged ")]
    assert len(told) == 1 and told[0].startswith("6 models of other names come to no device: ")
    newer = tiny_onnx(tmp_path / "models" / "b.onnx", favours=0)
    followed.live.models = [
        Wanted("model", ModelReference(str(newer), sha256_of(newer))), Wanted("new", of), *followed.live.models[1:]
    ]  # fmt: skip
    followed.look()
    fleet.advance()
    assert versions(fleet) == dict.fromkeys(("robot-1", "robot-2"), "2.0.0")
    assert versions(fleet, "new") == {} and len(versions(fleet, "m00")) == 2


def test_a_component_that_the_fleet_has_no_place_for_keeps_no_other_away(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    for number in range(MOST_MODELS - 2):
        fleet.assignments.assign(f"pushed-{number}", "nothing", device="robot-1")
    followed = Followed(fleet, tmp_path)
    model = tiny_onnx(tmp_path / "models" / "a.onnx")
    of = ModelReference(str(model), sha256_of(model))
    followed.live.models = [Wanted("model", of), Wanted("cats", of), Wanted("dogs", of)]
    followed.look()
    followed.look()
    fleet.advance()
    assert [each.name for each in fleet.twins.read("robot-1").models] == ["model", "cats"]
    assert [line for line in followed.said if "dogs" in line and not line.startswith("packaged ")] != []


def test_a_component_is_signed_where_that_is_asked(fleet: Fleet, tmp_path: Path) -> None:
    fleet.devices.add("robot-1")
    followed = Followed(fleet, tmp_path, signer=Signer(Maker(tmp_path, "maker").private))
    followed.goes_live(tiny_onnx(tmp_path / "models" / "a.onnx"))
    fleet.advance()
    [model] = fleet.twins.read("robot-1").models
    assert model.signature is not None
    assert "mediaType" in json.loads(model.signature)
