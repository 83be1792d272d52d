"""What `hotswap vet` and `publish` promise, on local files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from models.reference import sha256_of
from models.releasing.card_in_file import embedded_card
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id
from tests.launch.tiny_models import tiny_keras
from tests.model_files import tiny_classifier

# vet


def test_vet_tells_a_person_what_a_model_is(hotswap: Command) -> None:
    drop("cats.onnx", name="Cats", version="3", labels=["tabby", "tom", "manx"], description="indoors")
    outcome = hotswap("vet", "cats.onnx")
    assert outcome.code == 0
    assert outcome.out.startswith("accepted  cats.onnx\n")
    for expected in (model_id("cats.onnx"), "Cats, version 3", "indoors", "3: tabby, tom, manx", "4 × 4 pixels, grey"):
        assert expected in outcome.out
    assert "engine    onnx (" in outcome.out
    assert "one image" in outcome.out


def test_vet_tells_scripts_the_same(hotswap: Command) -> None:
    drop("cats.onnx", name="Cats", version="3", labels=["tabby", "tom", "manx"])
    answer = json.loads(hotswap("vet", "cats.onnx", "--json").out)
    assert (answer["verdict"], answer["model_id"]) == ("accepted", model_id("cats.onnx"))
    assert answer["card"]["labels"] == ["tabby", "tom", "manx"]
    assert set(answer["seconds"]) == {"vetting", "this_call", "loading", "one_image", "batch", "batch_size"}


def test_vet_says_why_a_model_is_rejected_and_answers_1(hotswap: Command) -> None:
    drop("bad.onnx", finite=False)
    outcome = hotswap("vet", "bad.onnx")
    assert outcome.code == 1
    assert "rejected  bad.onnx" in outcome.out
    assert "non_finite_output" in outcome.out
    answer = json.loads(hotswap("vet", "bad.onnx", "--json").out)
    assert (answer["verdict"], answer["fault"]) == ("rejected", "non_finite_output")
    assert answer["model_id"] == model_id("bad.onnx")


def test_a_machine_that_cannot_vet_is_told_in_one_line_and_code_1(
    hotswap: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop("never seen before.onnx", favours=0, name="never seen before")
    monkeypatch.setattr(sys, "executable", "/bin/false")  # every child ends at once

    outcome = hotswap("vet", "never seen before.onnx")

    assert outcome.code == 1
    assert error_line(outcome).startswith("error: the vetting process did not begin: ")


@pytest.mark.parametrize(
    "arguments", [["absent.h5"], ["."], ["x.onnx", "--engine", "abacus"], ["x.onnx", "--max-batch-size", "0"], []]
)
def test_vet_answers_2_where_there_is_nothing_to_vet(hotswap: Command, arguments: list[str]) -> None:
    outcome = hotswap("vet", *arguments)
    assert outcome.code == 2
    assert outcome.out == "" or not arguments
    error_line(outcome)


# publish


def test_a_published_keras_model_bears_its_card_and_the_file_of_its_user_stays_as_it_was(
    hotswap: Command, tmp_path: Path
) -> None:
    tiny_keras(tmp_path / "digits.h5")
    before = sha256_of(Path("digits.h5"))
    Path("labels.txt").write_text("zero\none\ntwo\n")
    Path("card.json").write_text('{"version": "1", "name": "from the card", "tags": ["demo"]}')
    outcome = hotswap(
        "publish", "digits.h5", "models/", "--labels", "labels.txt", "--card", "card.json", "--name", "Digits"
    )
    assert outcome.code == 0
    [published] = Path("models").iterdir()
    assert outcome.last_line == model_id(f"models/{published.name}")
    assert published.name.startswith("digits-")
    assert published.stem.endswith(sha256_of(published)[:12])
    assert embedded_card(published) == {
        "name": "Digits",
        "version": "1",
        "tags": ["demo"],
        "labels": ["zero", "one", "two"],
    }
    assert sha256_of(Path("digits.h5")) == before
    assert hotswap("vet", str(published)).code == 0


def test_a_model_is_called_as_before_where_its_file_name_is_made_up(hotswap: Command) -> None:
    drop("cats.onnx")
    outcome = hotswap("publish", "cats.onnx", "models/")
    assert embedded_card(Path(outcome.last_line.partition("@")[0])) == {"name": "cats"}


def test_a_model_that_is_published_under_a_given_name_keeps_its_bytes(hotswap: Command) -> None:
    drop("cats.onnx")
    assert hotswap("publish", "cats.onnx", "models/best.onnx").last_line == (
        f"models/best.onnx@sha256:{sha256_of(Path('cats.onnx'))[:12]}"
    )


def test_a_card_that_is_in_the_file_already_stays_where_nothing_replaces_it(hotswap: Command) -> None:
    drop("cats.onnx", name="Cats", version="3")
    outcome = hotswap("publish", "cats.onnx", "models/", "--version", "4")
    assert embedded_card(Path(outcome.last_line.partition("@")[0])) == {"name": "Cats", "version": "4"}


def test_a_published_model_gets_its_pixels_as_its_family_wants_them(hotswap: Command) -> None:
    tiny_classifier(Path("cats.onnx"))
    Path("card.json").write_text('{"input": {"fit": "crop", "scale": 2}}')
    outcome = hotswap("publish", "cats.onnx", "models/", "--preprocess", "ResNet50", "--card", "card.json")
    assert "BGR, NHWC, float32 = pixel × 1 - (103.939, 116.779, 123.68), cropped to fit" in outcome.out
    assert embedded_card(Path(outcome.last_line.partition("@")[0]))["input"]["fit"] == "crop"


def test_a_rejected_model_is_not_published(hotswap: Command) -> None:
    drop("bad.onnx", finite=False)
    outcome = hotswap("publish", "bad.onnx", "models/")
    assert outcome.code == 1
    assert "non_finite_output" in error_line(outcome)
    assert not Path("models").exists()


def test_labels_that_do_not_fit_the_model_are_found_out_before_it_is_published(hotswap: Command) -> None:
    drop("cats.onnx")
    Path("labels.txt").write_text("only\ntwo\n")
    outcome = hotswap("publish", "cats.onnx", "models/", "--labels", "labels.txt")
    assert outcome.code == 1
    assert "labels_mismatch: 2 labels for 3 outputs" in error_line(outcome)


def test_a_dry_run_writes_nothing(hotswap: Command) -> None:
    drop("cats.onnx")
    outcome = hotswap("publish", "cats.onnx", "models/", "--dry-run")
    assert outcome.code == 0
    assert "dry run: " in outcome.last_line
    assert [entry.name for entry in Path().iterdir()] == ["cats.onnx"]


def test_publishing_never_replaces_a_file(hotswap: Command) -> None:
    drop("cats.onnx")
    drop("models/best.onnx", favours=2)
    before = sha256_of(Path("models/best.onnx"))
    outcome = hotswap("publish", "cats.onnx", "models/best.onnx")
    assert outcome.code == 2
    assert "models/best.onnx exists" in error_line(outcome)
    assert sha256_of(Path("models/best.onnx")) == before


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["absent.h5", "models/"], "absent.h5"),
        (["cats.onnx", "models/*.h5"], "pattern"),
        (["cats.onnx", "s3://bucket/"], "s3://bucket/"),
        (["cats.onnx", "models/cats.h5"], "onnx"),
        (["cats.onnx", "models/", "--labels", "absent.txt"], "absent.txt"),
        (["cats.onnx", "models/", "--card", "cats.onnx"], "cats.onnx"),
        (["cats.onnx", "models/", "--preprocess", "resnet51"], "'resnet51' is no family of keras.applications"),
    ],
)
def test_a_request_that_cannot_be_meant_is_one_line_and_code_2(
    hotswap: Command, arguments: list[str], word: str
) -> None:
    drop("cats.onnx")
    outcome = hotswap("publish", *arguments)
    assert outcome.code == 2
    assert word in error_line(outcome)
