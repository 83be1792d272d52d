"""A reader that trusts some keys serves models that one of these signed, and no other; vetted by real children."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from models.registry.cache import ArtefactCache
from models.serving import Serving, ServingConfig
from models.signatures.signer import Signer
from models.storage.schemes import AnyStorage
from tests.model_files import tiny_classifier
from tests.models.signatures.makers import Maker
from tests.waiting import eventually


@pytest.fixture
def alice(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "keys", "alice")


@pytest.fixture
def mallory(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "keys", "mallory")


class Reader:
    """One that trusts some keys, and what it says."""

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        self._events: list[tuple[str, str]] = []

    @property
    def stated(self) -> str:
        statement = self.serving.watch.statement
        return Path(statement.reference.uri).name if statement else ""

    @property
    def events(self) -> list[tuple[str, str]]:
        """Each with its file and the first word of its reason."""
        self._events += [
            (Path(each.model_id.split("@")[0]).name, each.reason.split(":")[0] if each.event == "rejected" else "good")
            for each in self.serving.events.drain()
            if each.event in ("accepted", "rejected")
        ]
        return self._events

    def until(self, condition: Callable[[], object]) -> None:
        eventually(condition, f"more than {self.stated!r} and {self._events}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@contextmanager
def reading(folder: Path, cache: ArtefactCache, *trusted: Maker, pattern: str = "*.onnx") -> Iterator[Reader]:
    config = ServingConfig(
        str(folder / pattern),
        poll_seconds=0.05,
        max_batch_size=2,
        engine="onnx",
        cache_folder=str(cache.folder),
        trusted_keys=tuple(each.public.read_text() for each in trusted),
    )
    with closing(Serving(config, AnyStorage())) as serving:
        yield Reader(serving)


def dropped(folder: Path, name: str, favours: int, age: float = 100.0) -> Path:
    folder.mkdir(exist_ok=True)
    path = tiny_classifier(folder / name, favours=favours)
    os.utime(path, (time.time() - age,) * 2)
    return path


def sign(model: Path, by: Maker) -> Path:
    """A signature that appears whole."""
    target = model.with_name(f"{model.name}.sig")
    Signer(by.private).sign(model, target.with_suffix(".new"))
    return target.with_suffix(".new").rename(target)


def test_the_newest_signed_model_is_stated_and_newer_ones_of_others_are_rejected(
    folder: Path, shared_cache: ArtefactCache, alice: Maker, mallory: Maker
) -> None:
    sign(dropped(folder, "good.onnx", 0, age=100), alice)
    sign(dropped(folder, "by-mallory.onnx", 1, age=50), mallory)
    dropped(folder, "unsigned.onnx", 2, age=40)
    with reading(folder, shared_cache, alice) as reader:
        reader.until(lambda: len(reader.events) == 3)
        assert sorted(reader.events) == [
            ("by-mallory.onnx", "bad_signature"),
            ("good.onnx", "good"),
            ("unsigned.onnx", "unsigned"),
        ]
        reader.until(lambda: reader.stated == "good.onnx")


def test_a_signature_that_comes_late_lets_its_model_go_live(
    folder: Path, shared_cache: ArtefactCache, alice: Maker, mallory: Maker
) -> None:
    sign(dropped(folder, "good.onnx", 0), alice)
    late = dropped(folder, "late.onnx", 1, age=50)
    with reading(folder, shared_cache, alice) as reader:
        reader.until(lambda: ("late.onnx", "unsigned") in reader.events)
        sign(late, mallory)
        reader.until(lambda: ("late.onnx", "bad_signature") in reader.events)
        sign(late, alice)
        reader.until(lambda: reader.stated == "late.onnx")
        assert [each for each in reader.events if each[0] == "late.onnx"][-1] == ("late.onnx", "good")


def test_a_signature_taken_away_lets_the_model_before_take_over(
    folder: Path, shared_cache: ArtefactCache, alice: Maker
) -> None:
    sign(dropped(folder, "good.onnx", 0), alice)
    signature = sign(dropped(folder, "newer.onnx", 1, age=50), alice)
    with reading(folder, shared_cache, alice) as reader:
        reader.until(lambda: reader.stated == "newer.onnx")
        signature.unlink()
        reader.until(lambda: reader.stated == "good.onnx")


def test_signatures_are_no_models_where_the_pattern_lists_them(
    folder: Path, shared_cache: ArtefactCache, alice: Maker
) -> None:
    sign(dropped(folder, "good.onnx", 0), alice)
    _signed_once(folder, shared_cache, "*")
    _signed_once(folder, shared_cache, "**", alice)


def _signed_once(folder: Path, cache: ArtefactCache, pattern: str, *trusted: Maker) -> None:
    with reading(folder, cache, *trusted, pattern=pattern) as reader:
        reader.until(lambda: reader.stated == "good.onnx")
        assert reader.events == [("good.onnx", "good")]


def test_the_event_says_who_signed_it(folder: Path, shared_cache: ArtefactCache, alice: Maker) -> None:
    sign(dropped(folder, "good.onnx", 0), alice)
    with reading(folder, shared_cache, alice) as reader:
        reader.until(lambda: reader.stated)
        [accepted] = [each for each in reader.serving.events.drain() if each.event == "accepted"]
        assert "; signed by the key sha256:" in accepted.reason


def test_a_known_model_needs_its_signature_all_the_same(
    folder: Path, shared_cache: ArtefactCache, alice: Maker
) -> None:
    dropped(folder, "known.onnx", 2)
    with reading(folder, shared_cache) as reader:
        reader.until(lambda: reader.stated == "known.onnx")
    with reading(folder, shared_cache, alice) as reader:
        reader.until(lambda: reader.events == [("known.onnx", "unsigned")])
        assert not reader.stated
