"""`hotswap remove`: a model goes in order, with all that was made of it, and never the live one by mistake."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.reference import sha256_of
from models.serving import Serving, ServingConfig
from models.storage.schemes import AnyStorage
from models.vetting import Vetter
from tests.launch.commands.hotswap_command import Command, Outcome, drop, error_line, model_id
from tests.models.signatures.makers import Maker, signed_by_their_tool
from tests.waiting import eventually

PATTERN, REGISTRY = "m/*.onnx", "registry"
OLD, LIVE, BAD = "m/old.onnx", "m/live.onnx", "m/bad.onnx"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Of one test alone: what lies in it is what is looked at."""
    return tmp_path / "cache"


@pytest.fixture
def shelf(hotswap: Command) -> Command:
    """`live` is live, `old` is older, `bad` is newer and no good."""
    drop(OLD, 0, age=300)
    drop(LIVE, 1, age=200)
    drop(BAD, 2, finite=False, age=100)
    return hotswap


@contextlib.contextmanager
def fleet(pattern: str = PATTERN, registry: str = REGISTRY) -> Iterator[Serving]:
    """Somebody who watches a pattern."""
    with contextlib.closing(Serving(ServingConfig(pattern, 0.05, registry=registry), AnyStorage())) as serving:
        yield serving


def lives(serving: Serving, path: str) -> None:
    wanted = model_id(path)
    eventually(lambda: (now := serving.watch.statement) and now.reference.model_id == wanted, f"{path} is live")


@pytest.fixture
def known(shelf: Command) -> Command:
    """The same, with a registry whose fleet has gone."""
    with fleet() as serving:
        lives(serving, LIVE)
        eventually(lambda: serving.events.counts()["accepted"] == 2, "the old one is vetted too")
    return shelf


def held(folder: str | Path, *parts: str) -> list[str]:
    """The files of a registry or cache below here whose content or name tells of all these."""
    found = [path for path in Path(folder).rglob("*") if path.is_file()]
    return [
        str(path) for path in found if all(part in str(path) or part.encode() in path.read_bytes() for part in parts)
    ]


def states(outcome: Outcome) -> dict[str, str]:
    return {each["uri"]: each["state"] for each in json.loads(outcome.out)}


def test_a_model_goes_with_what_was_compiled_of_it_and_says_so_first(shelf: Command, cache: Path) -> None:
    digest = sha256_of(Path(OLD))
    assert states(shelf("models", PATTERN, "--json")) == {BAD: "rejected", LIVE: "live", OLD: "valid"}
    assert held(cache, digest)
    outcome = shelf("remove", OLD)
    assert outcome.code == 0, outcome.err
    assert [line.replace(str(cache), "CACHE") for line in outcome.out.splitlines()] == [
        f"{OLD}: the newest valid file of {PATTERN} is {LIVE}",
        f"remove the compiled form of sha256:{digest[:12]} (auto) in CACHE",
        f"remove the file {OLD} ({len(tiny_bytes(0)):,} bytes)",
        f"removed {OLD}",
    ]
    assert not held(cache, digest)
    assert states(shelf("models", PATTERN, "--json")) == {BAD: "rejected", LIVE: "live"}

    again = shelf("remove", OLD)
    assert (again.code, again.out) == (2, "")
    assert error_line(again).startswith(f"error: there is no file {OLD}")


def tiny_bytes(favours: int) -> bytes:
    return Path(drop(f"tiny/{favours}.onnx", favours)).read_bytes()


def test_the_live_model_is_refused_with_what_to_do_and_goes_by_force(shelf: Command) -> None:
    outcome = shelf("remove", LIVE)
    assert (outcome.code, outcome.out) == (2, "")
    assert error_line(outcome) == (
        f"error: {LIVE} is not removed: it is the newest valid file of {PATTERN}; "
        "publish another or roll back first, or --force"
    )
    assert Path(LIVE).exists()
    assert shelf("remove", LIVE, "--force").code == 0
    assert states(shelf("models", PATTERN, "--json")) == {BAD: "rejected", OLD: "live"}


def test_a_newer_file_that_is_not_valid_can_go_and_makes_no_older_one_less_live(shelf: Command) -> None:
    assert shelf("remove", OLD, "--dry-run").code == 0
    assert shelf("remove", LIVE, "--dry-run").code == 2
    outcome = shelf("remove", BAD)
    assert outcome.code == 0
    assert f"{BAD}: it is not valid: non_finite_output" in outcome.out
    assert not Path(BAD).exists()


def test_a_file_of_which_nothing_can_be_found_out_counts_as_live(shelf: Command) -> None:
    growing = Path("m/growing.onnx")
    with growing.open("wb") as file:
        file.write(b"\x08")
        file.flush()
        outcome = shelf("remove", str(growing))
        assert outcome.code == 2
        assert "it may be live: still being written" in error_line(outcome)
        assert shelf("remove", LIVE).code == 2
    assert growing.exists()


def test_a_pattern_of_readers_decides_where_it_is_another(shelf: Command) -> None:
    drop("m/deeper/newest.onnx", 2)
    assert shelf("remove", LIVE, "--dry-run", "--pattern", "m/**/*.onnx").code == 0
    assert shelf("remove", OLD, "--dry-run", "--pattern", "m/o*.onnx").code == 2
    elsewhere = shelf("remove", OLD, "--dry-run", "--pattern", "n/*.onnx")
    assert elsewhere.code == 2
    assert "n/*.onnx does not list m/old.onnx" in error_line(elsewhere)


def test_a_dry_run_changes_nothing_and_a_script_is_not_asked(shelf: Command, cache: Path) -> None:
    shelf("models", PATTERN)
    before = sorted(map(str, Path().rglob("*")))
    outcome = shelf("remove", OLD, "--dry-run")
    assert outcome.code == 0
    assert f"remove the file {OLD}" in outcome.out
    assert outcome.last_line == "dry run: nothing was removed"
    assert sorted(map(str, Path().rglob("*"))) == before
    assert shelf("remove", OLD).code == 0
    assert not Path(OLD).exists()


@pytest.mark.parametrize(("answer", "code", "there"), [("n\n", 1, True), ("y\n", 0, False)])
def test_on_a_terminal_it_asks(shelf: Command, answer: str, code: int, there: bool) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "launch.cli", "remove", OLD]
    path = {"PYTHONPATH": str(Path(__file__).parents[3])}
    try:
        os.write(ours, answer.encode())
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, env=os.environ | path, check=False)
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == code, done.stderr
    assert f"remove the file {OLD}" in done.stdout
    assert "Go on? [y/N]" in done.stderr
    assert ("nothing was removed" in done.stderr) is there
    assert Path(OLD).exists() is there


def test_what_another_file_of_the_same_bytes_needs_stays(shelf: Command, cache: Path) -> None:
    digest = sha256_of(Path(OLD))
    shelf("models", PATTERN)
    shutil.copy(OLD, "m/twin.bin")
    outcome = shelf("remove", OLD)
    assert outcome.code == 0
    assert f"keep the compiled form of sha256:{digest[:12]}: m/twin.bin has the same bytes" in outcome.out
    assert held(cache, digest)
    assert Path("m/twin.bin").exists()
    assert not Path(OLD).exists()


def test_a_signature_goes_before_its_file(shelf: Command, tmp_path: Path) -> None:
    alice = Maker(tmp_path / "keys", "alice")
    for name in (OLD, LIVE):
        signed_by_their_tool(Path(name), "key", "--private_key", alice.private)
    outcome = shelf("remove", OLD, "--trusted-key", str(alice.public))
    assert outcome.code == 0, outcome.err
    steps = outcome.out.splitlines()
    assert steps.index(f"remove the signature {OLD}.sig") == len(steps) - 3
    assert not Path(f"{OLD}.sig").exists()
    assert Path(f"{LIVE}.sig").exists()
    unsigned = shelf("remove", LIVE, "--dry-run", "--trusted-key", str(alice.public))
    assert "the newest valid file of" in error_line(unsigned)
    Path(f"{LIVE}.sig").unlink()
    assert shelf("remove", LIVE, "--dry-run", "--trusted-key", str(alice.public)).code == 0


def test_names_with_characters_of_patterns_are_names(hotswap: Command) -> None:
    drop("m[1]/a*?.onnx", 0, age=300)
    drop("m[1]/ab.onnx", 1, age=200)
    assert hotswap("remove", "m[1]/ab.onnx").code == 2
    assert hotswap("remove", "m[1]/a*?.onnx").code == 0
    assert [path.name for path in Path("m[1]").iterdir()] == ["ab.onnx"]


@pytest.mark.parametrize("model", ["m/*.onnx", "m", "m/", "absent/x.onnx", "s3://bucket/x.onnx", ""])
def test_what_is_no_file_is_one_line(shelf: Command, model: str) -> None:
    outcome = shelf("remove", model, "--force")
    assert (outcome.code, outcome.out) == (2, "")
    assert error_line(outcome)
    assert len(list(Path("m").iterdir())) == 3


# with a registry


@pytest.fixture
def nobody_vets(known: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when on everything is known."""
    monkeypatch.setattr(Vetter, "vet", None)


@pytest.mark.usefixtures("nobody_vets")
def test_a_registry_loses_forms_and_verdicts_of_this_model_alone(known: Command, cache: Path) -> None:
    old, live = sha256_of(Path(OLD)), sha256_of(Path(LIVE))
    others = {name for name in held(REGISTRY) if old not in name and OLD.encode() not in Path(name).read_bytes()}
    assert held(f"{REGISTRY}/compiled", old)
    assert held(f"{REGISTRY}/verdicts", OLD)
    outcome = known("remove", OLD, "--registry", REGISTRY)
    assert outcome.code == 0, outcome.err
    assert f"{OLD}: live for {Path.cwd()}/./{PATTERN} is {model_id(LIVE)}, by the registry" in outcome.out
    assert f"remove compiled forms in {REGISTRY} (2 objects)" in outcome.out
    assert f"remove verdicts in {REGISTRY} (1)" in outcome.out
    assert not held(REGISTRY, old)
    assert not held(cache, old)
    assert set(held(REGISTRY)) >= others
    assert held(cache, live)
    with fleet() as serving:
        lives(serving, LIVE)


@pytest.mark.usefixtures("nobody_vets")
def test_which_one_is_live_the_pointer_says_and_not_the_time(known: Command) -> None:
    assert known("remove", LIVE, "--registry", REGISTRY).code == 2
    assert known("rollback", PATTERN, "--registry", REGISTRY).code == 0
    os.utime(LIVE)  # newer again, and no reader has looked yet
    refused = known("remove", OLD, "--registry", REGISTRY)
    assert refused.code == 2
    assert "it is live for" in error_line(refused)
    assert known("remove", LIVE, "--registry", REGISTRY).code == 0


@pytest.mark.usefixtures("nobody_vets")
def test_a_model_is_live_for_whichever_pattern_the_registry_says_and_from_wherever_it_is_called(
    known: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path / "m")
    for name in ("live.onnx", f"{tmp_path}/m/live.onnx", "../m/live.onnx"):
        for more in ([], ["--pattern", "*.onnx"]):
            outcome = known("remove", name, "--registry", str(tmp_path / REGISTRY), *more)
            assert (outcome.code, Path("live.onnx").exists()) == (2, True)


def test_a_registry_without_a_word_on_it_leaves_it_to_the_rule(shelf: Command) -> None:
    outcome = shelf("remove", LIVE, "--registry", "nothing there")
    assert outcome.code == 2
    assert "note: nothing there does not say what is live" in outcome.err
    assert "the newest valid file of" in error_line(outcome)
    assert shelf("remove", OLD, "--registry", "nothing there").code == 0


def test_a_running_reader_keeps_its_model_and_follows_where_the_live_one_is_taken_by_force(known: Command) -> None:
    drop("m/newest.onnx", 2, age=50)
    with fleet() as serving:
        lives(serving, "m/newest.onnx")
        assert known("remove", OLD, "--registry", REGISTRY).code == 0
        assert known("remove", "m/newest.onnx", "--force", "--registry", REGISTRY).code == 0
        lives(serving, LIVE)
    assert not held(f"{REGISTRY}/verdicts", "m/newest.onnx")


def test_bytes_that_another_pattern_reads_keep_their_compiled_form(known: Command) -> None:
    digest = sha256_of(Path(OLD))
    Path("n").mkdir()
    shutil.copy(OLD, "n/twin.onnx")
    with fleet("n/*.onnx") as serving:
        lives(serving, "n/twin.onnx")
    outcome = known("remove", OLD, "--registry", REGISTRY)
    assert f"keep the compiled form of sha256:{digest[:12]}: n/twin.onnx has the same bytes" in outcome.out
    assert held(f"{REGISTRY}/compiled", digest)
    assert not held(f"{REGISTRY}/verdicts", OLD)
    Path("n/twin.onnx").unlink()  # and yet it is live, and answers without its file
    drop(OLD, 0, age=300)
    assert "keep the compiled form" in known("remove", OLD, "--registry", REGISTRY).out


@pytest.mark.parametrize("address", ["", "s3://bucket/registry", "gs://bucket"])
def test_an_address_that_can_hold_no_registry_is_refused(shelf: Command, address: str) -> None:
    outcome = shelf("remove", OLD, "--registry", address)
    assert outcome.code == 2
    assert "--registry is empty" in error_line(outcome) or address in error_line(outcome)
    assert Path(OLD).exists()
