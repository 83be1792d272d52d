"""What `hotswap vet`, `publish`, `models` and `rollback` promise, on local files."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from launch.cli import app
from launch.command_line import run
from models.catalogue import Catalogue, live_one
from models.releasing.card_in_file import embed_card, embedded_card
from models.releasing.destination import sha256_of
from models.storage import StoredFile, newest_first
from models.survey import Surveyed
from tests.launch.tiny_models import tiny_keras, tiny_onnx
from tests.model_files import tiny_classifier


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1]


Command = Callable[..., Outcome]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def hotswap(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Runs a command in a folder of its own; compiled models are shared by all tests."""
    monkeypatch.setenv("HOTSWAP_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(app, arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return command


def drop(path: str, favours: int = 1, *, finite: bool = True, age: float = 0.0, **card: object) -> str:
    """A model in the present folder, modified `age` seconds ago."""
    tiny_onnx(Path(path), favours=favours, finite=finite)
    if card:
        embed_card(Path(path), card)
    os.utime(path, (time.time() - age,) * 2)
    return path


def model_id(path: str) -> str:
    return f"{path}@sha256:{sha256_of(Path(path))[:12]}"


def error_line(outcome: Outcome) -> str:
    """The last line on standard error, which is the only one that tells of an error."""
    *before, last = outcome.err.splitlines()
    assert last.startswith("error: ")
    assert not any(line.startswith("error: ") for line in before)
    return last


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


# models


def test_models_lists_newest_first_what_is_live_and_what_is_not_and_why(hotswap: Command) -> None:
    drop("m/oldest.onnx", 0, age=300, name="Old", version="1")
    drop("m/live.onnx", 1, age=200)
    drop("m/bad.onnx", finite=False, age=100)
    Path("m/junk.onnx").write_bytes(b"junk")
    answer = json.loads(hotswap("models", "m/*.onnx", "--json").out)
    assert [(each["state"], each["uri"]) for each in answer] == [
        ("rejected", "m/junk.onnx"),
        ("rejected", "m/bad.onnx"),
        ("live", "m/live.onnx"),
        ("valid", "m/oldest.onnx"),
    ]
    assert answer[1]["reason"].startswith("non_finite_output: ")
    assert answer[2]["model_id"] == model_id("m/live.onnx")
    assert (answer[3]["model_name"], answer[3]["version"]) == ("Old", "1")
    assert answer[3]["size"] == Path("m/oldest.onnx").stat().st_size
    lines = hotswap("models", "m/*.onnx").out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[each["state"], each["uri"]] for each in answer]


def test_a_file_that_is_being_written_is_listed_and_not_opened(hotswap: Command) -> None:
    drop("m/live.onnx", age=100)
    with Path("m/growing.onnx").open("wb") as growing:
        growing.write(b"\x08")
        growing.flush()
        answer = json.loads(hotswap("models", "m/*.onnx", "--json").out)
    assert [(each["state"], each["reason"]) for each in answer] == [("undecided", "still being written"), ("live", "")]


def test_a_pattern_without_files_answers_1(hotswap: Command) -> None:
    outcome = hotswap("models", "m/*.h5")
    assert outcome.code == 1
    assert "m/*.h5" in error_line(outcome)


@pytest.mark.parametrize("arguments", [["a.h5", "b.h5"], ["."], ["gs://bucket/models/"]])
def test_a_pattern_that_the_shell_expanded_or_a_folder_is_answered_with_the_remedy(
    hotswap: Command, arguments: list[str]
) -> None:
    outcome = hotswap("models", *arguments)
    assert outcome.code == 2
    assert "*.h5'" in error_line(outcome)


def test_what_models_calls_live_is_what_the_catalogue_states(tmp_path: Path) -> None:
    """Of valid files alone; what is undecided, the running job alone knows."""
    from models.artefacts import Artefact, Manifest, Vetted
    from models.card import Card, InputSpec
    from models.reference import ModelReference

    manifest = Manifest(
        "0" * 64,
        "onnx",
        "",
        Card("", "", (), "raw", InputSpec(1, 1)),
        (1, 1),
        "float32",
        (),
        0.0,
    )
    files = [StoredFile(f"gs://b/{name}", 1, at, "1", True) for name, at in (("a", 5.0), ("c", 7.0), ("b", 7.0))]
    verdicts = [Vetted(ModelReference(file.uri, "0" * 12), Artefact(tmp_path, manifest)) for file in files]
    catalogue = Catalogue()
    catalogue.observe(files, 10.0)
    for file, verdict in zip(files, verdicts, strict=True):
        catalogue.record(file, verdict, 10.0)
    stated = catalogue.decide(10.0)
    live = live_one([Surveyed(file, verdict) for file, verdict in zip(files, verdicts, strict=True)])
    assert stated is not None
    assert live is not None
    assert live.model_id == stated.reference.model_id == f"gs://b/c@sha256:{'0' * 12}"


# rollback


def newest(pattern: str = "*.onnx") -> str:
    from models.storage import LocalStorage

    return newest_first(LocalStorage().list(f"m/{pattern}"))[0].uri


def test_rollback_brings_back_the_model_before_the_live_one_under_its_old_id(hotswap: Command) -> None:
    drop("m/oldest.onnx", 0, age=300)
    expected = model_id(drop("m/before.onnx", 1, age=200))
    drop("m/bad.onnx", finite=False, age=150)
    drop("m/live.onnx", 2, age=100)
    outcome = hotswap("rollback", "m/*.onnx")
    assert outcome.code == 0
    assert outcome.out == f"{expected}\n"
    assert newest() == "m/before.onnx"
    assert model_id("m/before.onnx") == expected
    assert len(list(Path("m").iterdir())) == 4


@pytest.mark.parametrize("how", ["file name", "stem", "card name", "model_id", "digest", "uri"])
def test_rollback_finds_a_model_by_any_of_its_names(hotswap: Command, how: str) -> None:
    wanted = drop("m/oldest.onnx", 0, age=300, name="Oldest")
    names = {
        "file name": "oldest.onnx",
        "stem": "oldest",
        "card name": "Oldest",
        "model_id": model_id(wanted),
        "digest": sha256_of(Path(wanted))[:8],
        "uri": wanted,
    }
    drop("m/before.onnx", 1, age=200)
    drop("m/live.onnx", 2, age=100)
    outcome = hotswap("rollback", "m/*.onnx", "--to", names[how])
    assert outcome.out == f"{model_id(wanted)}\n"
    assert newest() == wanted


def test_rollback_outdoes_a_file_with_a_time_to_come(hotswap: Command) -> None:
    drop("m/before.onnx", 1, age=200)
    drop("m/live.onnx", 2, age=-3600)
    assert hotswap("rollback", "m/*.onnx").code == 0
    assert newest() == "m/before.onnx"


def test_rollback_to_a_rejected_model_changes_nothing(hotswap: Command) -> None:
    drop("m/bad.onnx", finite=False, age=200)
    drop("m/live.onnx", 2, age=100)
    outcome = hotswap("rollback", "m/*.onnx", "--to", "bad")
    assert outcome.code == 1
    assert "non_finite_output" in error_line(outcome)
    assert newest() == "m/live.onnx"


def test_rollback_without_an_earlier_valid_model_changes_nothing(hotswap: Command) -> None:
    drop("m/bad.onnx", finite=False, age=200)
    drop("m/live.onnx", 2, age=100)
    outcome = hotswap("rollback", "m/*.onnx")
    assert outcome.code == 1
    assert "m/live.onnx is the only valid one" in error_line(outcome)
    assert newest() == "m/live.onnx"


def test_rollback_to_the_live_model_is_no_error(hotswap: Command) -> None:
    drop("m/live.onnx", 2, age=100)
    before = Path("m/live.onnx").stat().st_mtime
    outcome = hotswap("rollback", "m/*.onnx", "--to", "live")
    assert (outcome.code, outcome.out) == (0, f"{model_id('m/live.onnx')}\n")
    assert Path("m/live.onnx").stat().st_mtime == before


def test_rollback_to_an_unknown_name_is_a_usage_error(hotswap: Command) -> None:
    drop("m/live.onnx", 2, age=100)
    outcome = hotswap("rollback", "m/*.onnx", "--to", "nobody")
    assert outcome.code == 2
    assert "nobody" in error_line(outcome)


def test_a_file_that_changed_since_it_was_listed_is_not_touched(tmp_path: Path) -> None:
    from models.storage.errors import NotWritten
    from models.storage.schemes import AnyStorage

    path = tmp_path / "a.onnx"
    path.write_bytes(b"old")
    storage = AnyStorage()
    [listed] = storage.list(str(path))
    path.write_bytes(b"newer")
    os.utime(path, (1000, 1000))
    with pytest.raises(NotWritten, match="changed meanwhile"):
        storage.make_newest(listed, above=listed.modified)
    assert path.stat()[stat.ST_MTIME] == 1000
