"""What `make image-check` promises before it builds anything; the rest is a check by itself, and takes minutes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from launch.command_line import run
from launch.doctor.installation import OURS
from tests.container import stand_ins
from tests.container.__main__ import TOOLS, app
from tests.container.dockerfile import DOCKERFILE, ROOT, SERVING_DOCKERFILE, base_images

DOCKERFILES = pytest.mark.parametrize(("path", "bases"), [(DOCKERFILE, 3), (SERVING_DOCKERFILE, 2)])


@DOCKERFILES
def test_every_image_that_a_dockerfile_begins_with_has_a_stand_in(path: str, bases: int) -> None:
    images = base_images((ROOT / path).read_text())
    assert len(images) == bases
    assert all(stand_ins.recipe(image) for image in images)


@DOCKERFILES
def test_no_base_image_is_another_one_tomorrow(path: str, bases: int) -> None:
    images = base_images((ROOT / path).read_text())
    assert [image for image in images if image.endswith(":latest") or ":" not in image] == []
    assert len(images) == bases


def test_every_package_of_this_project_is_copied_into_its_images() -> None:
    for path in (DOCKERFILE, SERVING_DOCKERFILE):
        copied = re.findall(r"^COPY (\w+) \1$", (ROOT / path).read_text(), re.M)
        assert sorted(copied) == sorted(OURS), path


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
