"""A removal in its order: what a reader finds at each moment, what an interruption leaves, and who else is spared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.reference import ModelReference, sha256_of
from models.registry.cache import ArtefactCache
from models.registry.forms import Form
from models.registry.holdings import Holdings
from models.registry.records import Accepted, Judgement
from models.registry.registry import Registry, Terms
from models.releasing import Telling
from models.releasing.liveness import by_pointers
from models.releasing.quantized import SILENT
from models.releasing.removal import look_up, pattern_of, plan_removal
from models.storage import LocalStorage, StoredFile
from models.storage.errors import NotWritten, StorageUnavailable
from models.storage.objects import ObjectStore
from models.storage.schemes import AnyStorage
from models.trials.policy import Policy


class World:
    """A folder with a model, its signature, and all that a registry and a machine may hold of it."""

    def __init__(self, folder: Path) -> None:
        self.model, self.signature = folder / "m" / "a.h5", folder / "m" / "a.h5.sig"
        self.model.parent.mkdir()
        self.model.write_bytes(b"a model")
        self.signature.write_bytes(b"a signature")
        self.digest = sha256_of(self.model)
        self.cache = ArtefactCache(folder / "cache")
        self.objects: ObjectStore = AnyStorage().objects(str(folder / "registry"))
        self.registry = Registry(self.objects, f"{folder}/m/*.h5", Terms("auto", 10_000))
        self.make()

    def make(self, digest: str = "", uri: str = "") -> None:
        """A reader compiles the model, and says so; of other bytes or another file where these are named."""
        digest, uri = digest or self.digest, uri or str(self.model)
        for choice in ("auto", "onnx"):
            place = self.cache.folder / f"{digest}-{choice}"
            place.mkdir(exist_ok=True)
            (place / "model.onnx").write_bytes(b"compiled")
        form = Form(digest, "auto", "b" * 64, 8)
        for name, data in ((f"compiled/{digest}-auto.json", form.encode()), (f"compiled/{digest}-auto-b.tar", b"tar")):
            self.objects.swap(name, data, None)
        file = look_up(LocalStorage(), uri) or StoredFile(uri, 1, 1.0, "1-2-3-4", finished=False)
        verdict = Accepted(ModelReference(uri, digest), "a")
        self.registry.record(file, Judgement(uri, file.version, verdict))

    def left(self) -> list[str]:
        """What is there of it."""
        names = [*self.objects.names("compiled/"), *self.objects.names("verdicts/")]
        found = {
            "cached": self.cache.choices_of(self.digest),
            "shared": [name for name in names if self.digest in name],
            "verdicts": [name for name in names if name.startswith("verdicts/")],
            "signature": self.signature.exists(),
            "file": self.model.exists(),
        }
        return [what for what, there in found.items() if there]

    def remove(self, storage: AnyStorage | None = None, telling: Telling = SILENT) -> None:
        reached = storage or AnyStorage()
        removal = plan_removal(reached, str(self.model), self.cache, [Holdings(self.objects)])
        removal.carry_out(reached, telling)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Watched(AnyStorage):
    """Notes what is there before each file is removed; fails at one that is named."""

    def __init__(self, world: World, fails_at: str = "") -> None:
        super().__init__()
        self.world, self.fails_at = world, fails_at
        self.seen: list[list[str]] = []

    def remove(self, file: StoredFile) -> None:
        self.seen.append(self.world.left())
        if self.fails_at and file.uri.endswith(self.fails_at):
            raise StorageUnavailable("it does not answer")
        super().remove(file)


def telling(done: Callable[[], object], when: str) -> Telling:
    """Somebody does something while that step is taken."""

    @contextmanager
    def step(text: str) -> Iterator[None]:
        if when in text:
            done()
        yield

    return Telling(step)


def test_compiled_forms_and_verdicts_go_first_then_the_signature_then_the_file(world: World) -> None:
    assert world.left() == ["cached", "shared", "verdicts", "signature", "file"]
    storage = Watched(world)
    world.remove(storage)
    assert storage.seen == [["signature", "file"], ["file"]]
    assert world.left() == []


@pytest.mark.parametrize("fails_at", [".sig", ".h5"])
def test_what_was_interrupted_is_finished_by_a_second_call(world: World, fails_at: str) -> None:
    with pytest.raises(StorageUnavailable):
        world.remove(Watched(world, fails_at))
    assert "file" in world.left()
    world.remove()
    assert world.left() == []
    with pytest.raises(FileNotFoundError):
        world.remove()


def test_what_is_left_of_a_file_that_somebody_deleted_goes_too(world: World) -> None:
    world.model.unlink()
    world.remove()
    assert world.left() == []


def test_a_file_that_is_overwritten_meanwhile_stays_with_its_signature(world: World) -> None:
    with pytest.raises(NotWritten, match="changed meanwhile"):
        world.remove(telling=telling(lambda: world.model.write_bytes(b"another model"), "taking away"))
    assert world.model.read_bytes() == b"another model"
    assert world.signature.exists()


def test_of_a_file_that_is_overwritten_before_it_begins_nothing_is_taken(world: World) -> None:
    removal = plan_removal(AnyStorage(), str(world.model), world.cache, [Holdings(world.objects)])
    world.model.write_bytes(b"another model")
    with pytest.raises(NotWritten, match="changed meanwhile"):
        removal.carry_out(AnyStorage())
    assert world.left() == ["cached", "shared", "verdicts", "signature", "file"]


def test_a_signature_that_is_replaced_meanwhile_stays_with_its_file(world: World) -> None:
    with pytest.raises(NotWritten, match=r"\.sig changed meanwhile"):
        world.remove(telling=telling(lambda: world.signature.write_bytes(b"another"), "taking away"))
    assert world.left() == ["signature", "file"]


def test_what_a_reader_made_of_it_meanwhile_goes_last(world: World) -> None:
    world.remove(telling=telling(world.make, "meanwhile"))
    assert world.left() == []


def test_verdicts_on_other_terms_and_earlier_versions_go_with_what_was_compiled_of_them(world: World) -> None:
    earlier, file = "c" * 64, look_up(LocalStorage(), str(world.model))
    assert file is not None
    for engine in ("onnx", "openvino"):
        other = Registry(world.objects, world.registry.pattern, Terms(engine, 5))
        other.record(file, Judgement(file.uri, file.version, Accepted(ModelReference(file.uri, world.digest), "a")))
    os.utime(world.model, (1e9, 1e9))
    world.make(earlier)
    world.objects.swap("verdicts/0.1-x/garbage.json", b"no verdict", None)
    world.remove()
    assert world.objects.names("verdicts/") == ["verdicts/0.1-x/garbage.json"]
    assert world.objects.names("compiled/") == []
    assert world.cache.choices_of(earlier) == []


def test_verdicts_on_others_stay_with_what_they_need(world: World) -> None:
    twin, other = world.model.with_name("twin.h5"), world.model.with_name("other.h5")
    twin.write_bytes(world.model.read_bytes())
    other.write_bytes(b"of another size")
    world.make(uri=str(twin))
    world.make(sha256_of(other), str(other))
    world.remove()
    assert world.left() == ["cached", "shared", "verdicts"]
    kept = {Judgement.decode_any(found.data).uri for found in map(world.objects.read, verdicts(world)) if found}
    assert kept == {str(twin), str(other)}
    assert len(world.objects.names("compiled/")) == 4


@pytest.mark.parametrize("there", [True, False])
def test_a_registry_knows_of_the_same_bytes_in_other_folders(world: World, there: bool) -> None:
    twin = world.model.parents[1] / "n" / "twin.h5"
    twin.parent.mkdir()
    twin.write_bytes(world.model.read_bytes())
    world.make(uri=str(twin))
    if not there:
        twin.unlink()
    world.remove()
    assert ("cached" in world.left()) is there
    assert bool(world.objects.names("compiled/")) is there


def try_it(world: World, uri: str) -> None:
    """Another model is live, and the file's bytes at this address are tried."""
    policy = Policy.parse("canary:5%/10")
    assert policy is not None
    live = world.registry.live
    live.look()
    live.move(ModelReference(str(world.model.parent / "live.h5"), "c" * 64), "the newest valid file")
    assert live.begin(ModelReference(uri, world.digest), policy)


def test_a_model_that_is_tried_is_in_use(world: World) -> None:
    pointers = Holdings(world.objects).pointers
    assert by_pointers(pointers(), str(world.model), None) is None
    try_it(world, str(world.model))
    liveness = by_pointers(pointers(), str(world.model), None)
    assert liveness is not None
    assert liveness.live
    assert "it is tried for" in liveness.why


def test_what_was_compiled_of_a_model_that_is_tried_stays(world: World) -> None:
    try_it(world, str(world.model.parent / "twin.h5"))
    world.remove()
    assert "cached" in world.left()
    assert world.objects.names("compiled/")


def verdicts(world: World) -> Sequence[str]:
    return world.objects.names("verdicts/")


def test_what_is_said_of_another_file_by_the_same_words_elsewhere_is_not_its(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address that is not absolute is of one folder to one run and of another to the next."""
    monkeypatch.chdir(world.model.parents[1])
    elsewhere = "d" * 64
    verdict = Accepted(ModelReference("m/a.h5", elsewhere), "a")
    gone = StoredFile("m/a.h5", 7, 1.0, "9-9-9-9", finished=False)
    world.registry.record(gone, Judgement(gone.uri, gone.version, verdict))
    own = look_up(LocalStorage(), "m/a.h5")
    assert own is not None
    verdict = Accepted(ModelReference("m/a.h5", world.digest), "a")
    world.registry.record(own, Judgement(own.uri, own.version, verdict))
    world.remove()
    [name] = verdicts(world)
    found = world.objects.read(name)
    assert found is not None
    assert Judgement.decode(found.data, gone)


def test_a_digest_in_the_cache_is_of_these_bytes_and_of_no_others(world: World) -> None:
    assert world.cache.choices_of(world.digest) == ["auto", "onnx"]
    world.cache.remove("e" * 64)
    assert world.cache.choices_of(world.digest) == ["auto", "onnx"]
    world.cache.remove(world.digest)
    assert not [entry for entry in world.cache.folder.iterdir() if world.digest in entry.name]


@pytest.mark.parametrize(
    ("uri", "pattern"),
    [
        ("gs://b/models/a.h5", "gs://b/models/*.h5"),
        ("gs://b/a.onnx", "gs://b/*.onnx"),
        ("a.keras", "*.keras"),
        ("/m/a.v2.h5", "/m/*.h5"),
        ("m[1]/a", "m[[]1]/*"),
    ],
)
def test_the_pattern_of_a_model_is_its_folder_and_extension(uri: str, pattern: str) -> None:
    assert pattern_of(uri) == pattern
