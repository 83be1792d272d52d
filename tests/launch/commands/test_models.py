"""What `hotswap models` promises, on local files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.catalogue import Catalogue, live_one
from models.storage import StoredFile
from models.survey import Surveyed
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id


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
    from models.registry.records import Accepted

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
    verdicts = [Vetted(ModelReference(file.uri, "0" * 64), Artefact(tmp_path, manifest)) for file in files]
    catalogue = Catalogue()
    catalogue.observe(files, 10.0)
    for file, verdict in zip(files, verdicts, strict=True):
        catalogue.record(file, Accepted.of(verdict), 10.0)
    stated = catalogue.successor(None, 10.0)
    live = live_one([Surveyed(file, verdict) for file, verdict in zip(files, verdicts, strict=True)])
    assert stated is not None
    assert live is not None
    assert live.model_id == stated.reference.model_id == f"gs://b/c@sha256:{'0' * 12}"
