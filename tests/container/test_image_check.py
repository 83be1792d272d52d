"""What `make image-check` promises before it builds anything; the rest is a check by itself, and takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from launch.command_line import run
from tests.container import stand_ins
from tests.container.__main__ import TOOLS, app
from tests.container.dockerfile import DOCKERFILE, ROOT, base_images

WRITTEN = (ROOT / DOCKERFILE).read_text()


def test_every_image_that_the_dockerfile_begins_with_has_a_stand_in() -> None:
    images = base_images(WRITTEN)
    assert len(images) == 3
    assert all(stand_ins.recipe(image) for image in images)


def test_no_base_image_is_another_one_tomorrow() -> None:
    assert [image for image in base_images(WRITTEN) if image.endswith(":latest") or ":" not in image] == []


def test_an_image_is_named_with_what_an_argument_gives_where_nothing_else_is_given() -> None:
    dockerfile = "ARG TAG=1\nARG KIND=b\n\nFROM a:${TAG} AS first\nFROM first AS b\nFROM c/d:2 AS other\nFROM ${KIND}\n"
    assert base_images(dockerfile) == ["a:1", "c/d:2"]


@pytest.mark.parametrize("there", [(), TOOLS[:1]])
def test_a_machine_that_lacks_a_tool_is_told_in_one_line_what_to_install(
    there: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for tool in there:
        (tmp_path / tool).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = [tool for tool in TOOLS if tool not in there]

    assert run(app, [f"--folder={tmp_path / 'kept'}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith(f"apt-get install {' '.join(missing)}")
    assert not (tmp_path / "kept").exists()
