"""One look, amid what others do meanwhile."""

from __future__ import annotations

import random

import pytest

from models.reference import ModelReference
from models.registry.registry import Registry, Terms
from models.storage import StoredFile
from tests.models.fleet.process import Process
from tests.models.fleet.world import FOLDER, PATTERN, Bucket, World, digest_of


@pytest.fixture
def world() -> World:
    return World(random.Random(1), now=1e9)


def reference(name: str, content: str) -> ModelReference:
    return ModelReference(f"{FOLDER}/{name}", digest_of(content))


def finish_all(process: Process) -> None:
    for vetting in list(process.vettings):
        process.finish(vetting)


def test_a_look_under_way_undoes_no_rollback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(world, 0, 0.0)
    world.upload("a.h5", "good old")
    process.look()
    finish_all(process)
    process.look()
    world.now += 10
    world.upload("b.h5", "good new")
    process.look()
    finish_all(process)
    listed = Bucket.list

    def list_and_be_overtaken(bucket: Bucket, pattern: str) -> list[StoredFile]:
        files = listed(bucket, pattern)
        world.now += 1
        world.touch(f"{FOLDER}/a.h5")
        other = Registry(Bucket(world), PATTERN, Terms("auto", 10))
        other.live.look()
        assert other.live.move(reference("a.h5", "good old"), "rolled back")
        return files

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Bucket, "list", list_and_be_overtaken)
        process.look()
    pointer = world.pointer()
    assert pointer is not None
    assert pointer.now.why == "rolled back"
    for _ in range(3):
        process.look()
        finish_all(process)
    pointer = world.pointer()
    assert pointer is not None
    assert pointer.now.reference == reference("a.h5", "good old")


def test_one_verdict_that_cannot_be_read_holds_up_that_file_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.storage.errors import StorageUnavailable
    from models.storage.objects import Found

    read = Bucket.read

    def refuse(bucket: Bucket, name: str) -> Found | None:
        if name.startswith("verdicts/") and "c.h5" in name:
            raise StorageUnavailable("not this one")
        return read(bucket, name)

    monkeypatch.setattr(Bucket, "read", refuse)
    process = Process(world, 0, 0.0)
    world.upload("b.h5", "good")
    world.now += 1
    world.upload("c.h5", "bad")
    for _ in range(20):
        process.look()
        finish_all(process)
        world.now += 10
    pointer = world.pointer()
    assert pointer is not None
    assert pointer.now.reference == reference("b.h5", "good")


def test_an_emptied_folder_has_nothing_vetted(world: World) -> None:
    process = Process(world, 0, 0.0)
    world.upload("b.h5", "bad")
    process.look()
    world.delete(f"{FOLDER}/b.h5")
    finish_all(process)
    before = world.vettings
    for _ in range(10):
        process.look()
        world.now += 100
    assert world.vettings == before
