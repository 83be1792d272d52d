"""`kedro run`, from a clean folder to a better model."""

from __future__ import annotations

import io
import shutil
import zipfile
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from models.artefacts import DEFAULT_ENGINE
from models.card import Card
from models.reference import sha256_of
from models.storage import LocalStorage
from models.vetting.session import vetting
from tests.own_process import run_module
from tests.studio.retraining.conftest import EPOCHS, Loop
from tests.studio.retraining.retraining_runs import PROJECT, Place, export, inverted_digits, run, start


def vetted_card(model: Path) -> Card:
    with vetting(LocalStorage(), DEFAULT_ENGINE, 32) as vetter:
        return vetter.vet(str(model)).artefact.manifest.card


def weights_of(model: Path) -> dict[str, NDArray[np.float32]]:
    """Of a `.keras` file, by the names of its layers."""
    found: dict[str, NDArray[np.float32]] = {}

    def note(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith("layers/"):
            found[name] = item[()]

    with zipfile.ZipFile(model) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(note)
    return found


def differing(one: Path, other: Path) -> set[str]:
    """Weights that are not equal to the last bit."""
    ours, theirs = weights_of(one), weights_of(other)
    assert ours.keys() == theirs.keys()
    return {name for name in ours if ours[name].tobytes() != theirs[name].tobytes()}


def test_a_run_from_a_clean_folder_publishes_the_first_model(loop: Loop) -> None:
    verdict, _ = loop.verdicts
    assert (verdict["verdict"], verdict["reason"]) == ("published", "first")
    assert verdict["model_id"] == f"{loop.trained}@sha256:{sha256_of(loop.trained)[:12]}"
    assert loop.trained_report["right"]["test"]["right"] > 500
    assert loop.trained_report["images"]["seen"] == 0


def test_corrections_make_a_better_model_which_is_published(loop: Loop) -> None:
    _, verdict = loop.verdicts
    assert (verdict["verdict"], verdict["reason"]) == ("published", "better")
    assert verdict["live"] == loop.verdicts[0]["model_id"]
    assert verdict["candidate_right"]["unseen"]["right"] > verdict["live_right"]["unseen"]["right"]
    assert loop.tuned_report["images"]["seen"] + loop.tuned_report["images"]["unseen"] == 60


def test_the_card_of_a_tuned_model_says_of_what_it_was_made(loop: Loop) -> None:
    card = vetted_card(loop.tuned)
    tags = dict(tag.split("=", 1) for tag in card.tags)
    assert card.labels == tuple("0123456789") and card.name == "digits"
    assert (card.input.height, card.input.width, card.input.color, card.input.scale) == (28, 28, "grey", 1 / 255)
    assert tags["data"] == f"sha256:{loop.tuned_report['data_version']}"
    assert tags["parent"] == loop.verdicts[0]["model_id"]
    assert tags["right.test"] == "{right}/{of}".format(**loop.tuned_report["right"]["test"])
    assert tags["right.variants"] == "{right}/{of}".format(**loop.tuned_report["right"]["variants"])
    assert tags["parameter.layers"] == "dense*" and tags["parameter.seed"] == "7"
    assert "parent" not in dict(tag.split("=", 1) for tag in vetted_card(loop.trained).tags)


def test_frozen_layers_keep_every_bit(loop: Loop) -> None:
    shapes = {name: weight.shape for name, weight in weights_of(loop.trained).items()}
    assert sorted(shapes.values()) == [(3, 3, 1, 16), (10,), (16,), (64,), (64, 10), (2704, 64)]
    learnt = {shapes[name] for name in differing(loop.trained, loop.tuned)}
    assert learnt == {(2704, 64), (64,), (64, 10), (10,)}


def test_a_tuning_that_forgets_the_digits_is_refused_and_has_changed_the_named_layer_alone(
    loop: Loop, beside: Place
) -> None:
    wild = {"tuning.layers": "[dense_scores]", "tuning.learning_rate": 3.0, "tuning.digits_share": 0.0}
    verdict = run("ft", beside, **wild)
    assert (verdict["verdict"], verdict["reason"]) == ("refused", "worse_on_digits")
    assert verdict["model_id"] is None and [path.name for path in beside.models.iterdir()] == [loop.trained.name]
    shapes = {name: weight.shape for name, weight in weights_of(loop.trained).items()}
    assert {shapes[name] for name in differing(loop.trained, beside.candidate)} == {(64, 10), (10,)}


def test_the_same_inputs_give_the_same_weights_and_nothing_is_published_without_corrections(
    loop: Loop, tmp_path: Path
) -> None:
    place = Place(tmp_path)
    place.models.mkdir()
    (place.models / "live.keras").write_bytes(loop.trained.read_bytes())
    assert run("__default__", place, **{"training.epochs": EPOCHS})["reason"] == "no_corrections"
    assert differing(place.candidate, loop.trained) == set()
    assert [path.name for path in place.models.iterdir()] == ["live.keras"]


def test_one_correction_is_learnt_and_published_twice_the_same(loop: Loop, tmp_path: Path) -> None:
    drawn = inverted_digits(1)
    candidates = []
    for name in ("one", "other"):
        place = Place(tmp_path / name)
        export(place.corrections, drawn, unseen=False)
        place.models.mkdir()
        shutil.copy(loop.trained, place.models)
        verdict = run("tuning", place)
        assert (verdict["verdict"], verdict["reason"]) == ("published", "better_on_variants")
        assert verdict["candidate_right"]["variants"]["right"] > verdict["live_right"]["variants"]["right"]
        assert verdict["candidate_right"]["variants"]["of"] == 16
        assert place.told("report")["right"]["seen"] == {"right": 1, "of": 1}
        candidates.append(place.candidate)
    assert differing(*candidates) == set()


def test_a_killed_run_leaves_no_half_of_a_model_and_no_old_verdict(beside: Place) -> None:
    for model in beside.models.iterdir():
        model.unlink()
    assert beside.told("verdict")["verdict"] == "published"
    process = start("ds", beside, **{"training.epochs": 1})
    assert process.stderr is not None
    with process, process.stderr as said:
        next(line for line in said if "vetting and publishing" in line)
        process.kill()
    assert not (beside.folder / "work" / "verdict.json").exists()
    assert all(sha256_of(path)[:12] in path.name for path in beside.models.glob("*"))


def test_a_run_that_cannot_go_on_says_why_in_one_line_and_in_the_verdict(beside: Place) -> None:
    process = start("ft", beside, **{"tuning.layers": "[nothing]"})
    _, said = process.communicate()
    reason = "no layer is called nothing; those that can learn are conv, dense_hidden, dense_scores"
    assert process.returncode == 1
    assert said.splitlines()[-1] == f"Error: {reason}"
    verdict = beside.told("verdict")
    assert (verdict["verdict"], verdict["reason"], verdict["detail"]) == ("failed", "NotTunable", reason)


def test_nobody_is_told_of_runs() -> None:
    assert "kedro-telemetry" not in {each.metadata["Name"] for each in metadata.distributions()}
    assert (PROJECT / ".telemetry").read_text() == "consent: false\n"


def test_digits_alone_need_neither_kedro_nor_keras() -> None:
    assert run_module("tests.studio.retraining.imported_with_digits").split() == []
