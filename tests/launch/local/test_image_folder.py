"""Every image of a folder is told once, whenever it lands."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from launch.local.image_folder import ImageFolder, LeftOut

PATIENCE_SECONDS = 30


class Told:
    """Paths as they are told, and a way to wait for them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, path: str) -> None:
        with self._changed:
            self.names.append(Path(path).name)
            self._changed.notify_all()

    def wait_for(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: set(names) <= set(self.names), PATIENCE_SECONDS), self.names


@contextmanager
def watching(folder: Path, leave_out: Callable[[str], bool] = lambda path: False) -> Iterator[Told]:
    told = Told()
    watched = ImageFolder(folder, told, leave_out)
    try:
        yield told
    finally:
        watched.close()


def test_what_is_there_and_what_lands_later_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    with watching(tmp_path) as told:
        told.wait_for("a.png")
        (tmp_path / "b.png").write_bytes(b"b")
        told.wait_for("b.png")
        (tmp_path / "deeper").mkdir()
        (tmp_path / "deeper" / "c.png").write_bytes(b"c")
        told.wait_for("c.png")

    assert sorted(told.names) == ["a.png", "b.png", "c.png"]


def test_what_lands_while_telling_takes_long_is_told_right_after(tmp_path: Path) -> None:
    slow = threading.Event()

    class SlowlyTold(Told):
        def __call__(self, path: str) -> None:
            super().__call__(path)
            slow.wait(1)  # a Pub/Sub far away

    for name in "abcd":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    told = SlowlyTold()
    watched = ImageFolder(tmp_path, told, lambda path: False)
    try:
        told.wait_for("a.png")
        (tmp_path / "later.png").write_bytes(b"x")
        told.wait_for("later.png")
    finally:
        slow.set()
        watched.close()


def test_hidden_files_and_those_left_out_are_never_told(tmp_path: Path) -> None:
    (tmp_path / ".half").write_bytes(b"x")
    (tmp_path / "model.h5").write_bytes(b"x")
    (tmp_path / "z.png").write_bytes(b"x")
    with watching(tmp_path, lambda path: path.endswith(".h5")) as told:
        told.wait_for("z.png")

    assert told.names == ["z.png"]


def test_a_folder_that_vanishes_and_comes_back_is_looked_through_again(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    with watching(folder) as told:
        folder.rmdir()
        folder.mkdir()
        (folder / "new.png").write_bytes(b"x")
        told.wait_for("new.png")


def test_a_path_that_could_not_be_told_is_told_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    told = Told()
    refusals = iter([ConnectionError("nobody listens"), ConnectionError("nobody listens")])

    def tell(path: str) -> None:
        refusal = next(refusals, None)
        if refusal is not None:
            raise refusal
        told(path)

    watched = ImageFolder(tmp_path, tell, lambda path: False)
    try:
        told.wait_for("a.png")
    finally:
        watched.close()

    assert told.names == ["a.png"]


def test_a_folder_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    images = tmp_path / "images"
    told = Told()
    watched = ImageFolder(images, told, lambda path: False)
    try:
        images.mkdir()
        (images / "a.png").write_bytes(b"a")
        told.wait_for("a.png")
    finally:
        watched.close()


def test_models_and_what_the_run_writes_are_left_out_by_whatever_name(tmp_path: Path) -> None:
    for name in ("a.png", "model.h5", "results.jsonl"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "results.jsonl")
    left_out = LeftOut(str(tmp_path / "*.h5"), [str(tmp_path / "deeper" / ".." / "results.jsonl")])

    left = {path.name for path in tmp_path.iterdir() if left_out(str(path))}

    assert left == {"model.h5", "results.jsonl", "link"}


def test_models_elsewhere_are_not_looked_for_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "model.h5").touch()
    assert not LeftOut("gs://bucket/*.h5", [])(str(tmp_path / "model.h5"))


def test_masks_that_a_run_writes_among_the_images_are_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    leave_out = LeftOut("models/*.h5", [str(tmp_path / "masks")])
    assert leave_out(str(tmp_path / "masks" / "a.png"))
    assert not leave_out(str(tmp_path / "a.png"))
