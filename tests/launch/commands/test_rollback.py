"""What `hotswap rollback` promises, on local files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from models.reference import sha256_of
from models.storage import newest_first
from tests.launch.commands.hotswap_command import Command, drop, error_line, model_id


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
