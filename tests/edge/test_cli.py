"""What `hotswap-edge run` promises to people and to service managers."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from tests.component_files import component_of, with_manifest
from tests.sample_images import digit, encoded
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "images"
    folder.mkdir()
    for form in ("png", "jpeg"):
        (folder / f"digit.{form}").write_bytes(encoded(digit(), form))
    np.save(folder / "array.npy", np.zeros((8, 8, 3), np.uint8))
    return folder


def run(component: Path, images: Path, *more: str) -> int:
    return main(["run", "--component", str(component), "--images", str(images), *more])


def test_once_through_the_folder_prints_a_line_for_each_image_and_ends(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "results" / "out.jsonl"

    code = run(component_of(tmp_path, favours=2), images, "--interval", "0", "--output", str(output))

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Prediction result of {name}: cow" for name in ("array.npy", "digit.jpeg", "digit.png")
    ]
    written = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["image"] for record in written] == [str(path) for path in sorted(images.iterdir())]


def test_dead_letters_have_a_file_of_their_own_where_it_is_named(images: Path, tmp_path: Path) -> None:
    (images / "bad.png").write_bytes(b"nonsense")
    results, lost = tmp_path / "results.jsonl", tmp_path / "lost.jsonl"

    code = run(component_of(tmp_path), images, "--interval", "0", "--output", str(results), "--dead-letters", str(lost))

    assert code == 0
    assert len(results.read_text().splitlines()) == 3
    [letter] = lost.read_text().splitlines()
    assert json.loads(letter)["error"] == "not_an_image"


@pytest.mark.parametrize("kind", ["absent", "forged", "failing"])
def test_a_component_that_cannot_answer_ends_a_single_round_in_one_line(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    component = tmp_path / "absent.zip"
    if kind == "forged":
        component = with_manifest(component_of(tmp_path), lambda value: value.update(version="1.0.1", files=[]))
    elif kind == "failing":
        component = component_of(tmp_path, finite=False)

    assert run(component, images, "--interval", "0") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("error: ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["run"],
        ["run", "--component", "c.zip", "--images", "absent"],
        ["run", "--component", "c.zip", "--images", ".", "--interval", "-1"],
        ["run", "--component", "c.zip", "--images", ".", "--interval", "nan"],
        ["run", "--component", "c.zip", "--images", ".", "--speed", "9"],
    ],
)
def test_what_cannot_be_meant_is_one_line_and_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(arguments)
    except SystemExit as end:
        code = end.code
    assert code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


@contextmanager
def running(component: Path, images: Path, output: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "edge.cli", "run", "--component", component, "--images", images]
    with subprocess.Popen(
        [*map(str, command), "--interval", "0.1", "--output", str(output)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(images: Path, tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "out.jsonl"
    with running(component_of(tmp_path), images, output) as process:
        eventually(lambda: output.exists() and len(output.read_text().splitlines()) == 3, "three results")
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in errors
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_signal_ends_it_while_it_waits_for_a_component(images: Path, tmp_path: Path) -> None:
    with running(tmp_path / "absent", images, tmp_path / "out.jsonl") as process:
        assert process.stderr is not None
        assert "not_found" in process.stderr.readline()
        process.terminate()
        process.communicate(timeout=60)

    assert process.returncode == 0


def test_whoever_calls_it_from_a_program_has_their_own_logging_back(images: Path, tmp_path: Path) -> None:
    before = logging.getLogger("models.live").level
    assert run(component_of(tmp_path, favours=2), images, "--interval", "0") == 0
    assert logging.getLogger("models.live").level == before
