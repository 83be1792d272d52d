"""The cache of compiled models: what is found there is whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from models.artefacts import MANIFEST, ONNX_FILE, Manifest, OutputSpec
from models.card import Card, InputSpec
from models.errors import ModelFault, ModelRejected
from models.registry.cache import ArtefactCache, default_cache_folder

CARD = Card("m", "1", ("a", "b"), "classification", InputSpec(8, 8, mean=(1.0, 2.0, 3.0)), ("t",))
MANIFEST_OF = Manifest("", "onnx", "agrees", CARD, (8, 8, 3), "float32", (OutputSpec("scores", (2,)),), 1.5)


@pytest.fixture
def cache(tmp_path: Path) -> ArtefactCache:
    return ArtefactCache(tmp_path / "cache")


def sha256(seed: object) -> str:
    return hashlib.sha256(str(seed).encode()).hexdigest()


def put(cache: ArtefactCache, digest: str, content: bytes = b"graph") -> Path:
    with cache.workspace() as workspace:
        built = workspace / "built"
        built.mkdir()
        (built / ONNX_FILE).write_bytes(content)
        return cache.store(built, replace(MANIFEST_OF, sha256=digest), "auto").folder


def test_what_is_stored_is_found_whole(cache: ArtefactCache) -> None:
    folder = put(cache, sha256(1))
    found = cache.find(sha256(1), "auto")
    assert found is not None
    assert found.manifest == replace(MANIFEST_OF, sha256=sha256(1))
    assert (folder / ONNX_FILE).read_bytes() == b"graph"


def test_another_choice_of_engine_is_another_artefact(cache: ArtefactCache) -> None:
    put(cache, sha256(1))
    assert cache.find(sha256(1), "tensorflow") is None


def test_files_whose_digests_begin_alike_are_told_apart(cache: ArtefactCache) -> None:
    twin = sha256(1)[:12] + sha256(2)[12:]
    put(cache, sha256(1), b"one")
    put(cache, twin, b"other")
    for digest, content in ((sha256(1), b"one"), (twin, b"other")):
        found = cache.find(digest, "auto")
        assert found is not None
        assert (found.folder / ONNX_FILE).read_bytes() == content


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b'"format"',
        b"null",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"digests": {}}',
        b'{"digests": 3}',
    ],
)
def test_a_garbage_manifest_is_no_artefact_and_is_replaced(cache: ArtefactCache, garbage: bytes) -> None:
    folder = put(cache, sha256(1))
    (folder / MANIFEST).write_bytes(garbage)
    assert cache.find(sha256(1), "auto") is None
    put(cache, sha256(1), b"again")
    assert (folder / ONNX_FILE).read_bytes() == b"again"
    assert cache.find(sha256(1), "auto") is not None


@pytest.mark.parametrize("field", ["engine", "card", "input_shape", "format", "sha256"])
def test_a_manifest_that_lacks_a_field_is_no_artefact(cache: ArtefactCache, field: str) -> None:
    manifest = put(cache, sha256(1)) / MANIFEST
    value = json.loads(manifest.read_text())
    del value[field]
    manifest.write_text(json.dumps(value))
    assert cache.find(sha256(1), "auto") is None


def test_the_manifest_of_other_bytes_is_no_artefact(cache: ArtefactCache) -> None:
    other, mine = put(cache, sha256(1)), put(cache, sha256(2))
    shutil.copyfile(other / MANIFEST, mine / MANIFEST)
    assert cache.find(sha256(2), "auto") is None


def test_a_compiled_form_that_lost_a_bit_or_was_cut_off_or_taken_away_is_no_artefact(cache: ArtefactCache) -> None:
    folder = put(cache, sha256(1))
    (folder / ONNX_FILE).write_bytes(b"grapx")  # one bit
    assert cache.find(sha256(1), "auto") is None
    (folder / ONNX_FILE).write_bytes(b"")
    assert cache.find(sha256(1), "auto") is None
    (folder / ONNX_FILE).unlink()
    assert cache.find(sha256(1), "auto") is None


def test_a_compiled_form_may_not_be_a_link_to_elsewhere(cache: ArtefactCache, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ONNX_FILE).write_bytes(b"graph")
    with cache.workspace() as workspace:
        (workspace / "built").symlink_to(tmp_path / "elsewhere")
        (workspace / "inside").mkdir()
        (workspace / "inside" / ONNX_FILE).symlink_to(tmp_path / "elsewhere" / ONNX_FILE)
        for built in ("built", "inside"):
            with pytest.raises(ModelRejected) as caught:
                cache.store(workspace / built, replace(MANIFEST_OF, sha256=sha256(1)), "auto")
            assert caught.value.fault is ModelFault.CRASHED
    assert (tmp_path / "elsewhere" / ONNX_FILE).exists()


def test_what_lies_under_the_manifests_name_is_not_written_through(cache: ArtefactCache, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    for lie in (lambda path: path.symlink_to(outside), Path.mkdir):
        with cache.workspace() as workspace:
            built = workspace / "built"
            built.mkdir()
            (built / ONNX_FILE).write_bytes(b"graph")
            lie(built / MANIFEST)
            with suppress(ModelRejected):
                cache.store(built, replace(MANIFEST_OF, sha256=sha256(lie)), "auto")
    assert outside.read_text() == "untouched"


def test_nothing_compiled_is_a_rejection(cache: ArtefactCache) -> None:
    with cache.workspace() as workspace, pytest.raises(ModelRejected, match="no usable compiled model"):
        cache.store(workspace / "built", replace(MANIFEST_OF, sha256=sha256(1)), "auto")


def test_who_comes_second_takes_what_the_first_stored(cache: ArtefactCache) -> None:
    put(cache, sha256(1), b"first")
    assert (put(cache, sha256(1), b"second") / ONNX_FILE).read_bytes() == b"first"


def test_many_may_store_the_same_at_once(cache: ArtefactCache) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(8)

    def store() -> None:
        try:
            together.wait()
            for number in range(20):
                assert (put(cache, sha256(number)) / ONNX_FILE).read_bytes() == b"graph"
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=store) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(list(cache.folder.iterdir())) == 20


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    cache = ArtefactCache(tmp_path / "cache", keep=3)
    for number in range(3):
        os.utime(put(cache, sha256(number)), (number, number))
    assert cache.find(sha256(0), "auto") is not None  # using it makes it young
    put(cache, sha256(3))
    assert [cache.find(sha256(number), "auto") is not None for number in range(4)] == [True, False, True, True]


def test_a_cache_that_a_cleaner_took_away_is_made_anew(cache: ArtefactCache) -> None:
    shutil.rmtree(cache.folder)
    assert cache.find(sha256(1), "auto") is None
    put(cache, sha256(1))
    assert cache.find(sha256(1), "auto") is not None


def test_a_cache_is_private(cache: ArtefactCache) -> None:
    assert cache.folder.stat().st_mode & 0o077 == 0


def test_workspaces_of_the_dead_are_swept_and_those_of_the_living_stay(cache: ArtefactCache) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name in (f".work-{ended.pid}-x", f".work-{os.getpid()}-x", ".work-", ".work-abc-x"):
        (cache.folder / name).mkdir()
    cache.sweep()
    assert {path.name for path in cache.folder.iterdir()} == {f".work-{os.getpid()}-x", ".work-", ".work-abc-x"}


def test_the_cache_lies_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("HOTSWAP_CACHE", raising=False)
    assert default_cache_folder() == tmp_path / "hotswap"
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "chosen"))
    assert default_cache_folder() == tmp_path / "chosen"
