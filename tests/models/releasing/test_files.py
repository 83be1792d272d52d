"""What publishing promises of a file, before and after it has a name."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import onnx
import pytest

from models.errors import ModelFault, ModelRejected, ReleaseError
from models.reference import sha256_of
from models.releasing.card_in_file import embed_card, embedded_card
from models.releasing.destination import (
    Destination,
    checked_name,
    model_stem,
    name_of_its_own,
    read_destination,
)
from models.releasing.inputs import read_card_file, read_labels
from models.storage.errors import NameTaken
from models.storage.local_writing import put_locally
from models.vetting.file_checks import check_hdf5, check_keras_archive
from tests.launch.tiny_models import tiny_keras, tiny_onnx

MANY_LABELS = [f"class {number} of many, größer" for number in range(20_000)]
MANY_BYTES = 1 << 30


@pytest.fixture(scope="module")
def tiny_keras_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keras")
    tiny_keras(folder / "tiny.h5", folder / "tiny.keras")
    return folder


@pytest.fixture(params=["tiny.h5", "tiny.keras", "tiny.onnx"])
def model(request: pytest.FixtureRequest, tiny_keras_files: Path, tmp_path: Path) -> Path:
    copy = tmp_path / str(request.param)
    if copy.suffix == ".onnx":
        return tiny_onnx(copy)
    copy.write_bytes((tiny_keras_files / copy.name).read_bytes())
    return copy


def test_a_model_without_a_card_bears_an_empty_one(model: Path) -> None:
    assert embedded_card(model) == {}


def test_a_package_that_is_missing_is_not_the_files_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_onnx(tmp_path / "tiny.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match="onnx"):
        embedded_card(path)


def test_an_embedded_card_is_read_back_and_replaces_the_one_before(model: Path) -> None:
    embed_card(model, {"name": "first", "version": "1"})
    embed_card(model, {"name": "zweiter ü", "labels": ["a", "b", "c"]})
    assert embedded_card(model) == {"name": "zweiter ü", "labels": ["a", "b", "c"]}


def test_twenty_thousand_labels_fit_into_every_kind_of_file(model: Path) -> None:
    embed_card(model, {"labels": MANY_LABELS})
    assert embedded_card(model)["labels"] == MANY_LABELS


def test_vetting_reads_the_card_that_was_embedded(tiny_keras_files: Path, tmp_path: Path) -> None:
    for name, check in {"tiny.h5": check_hdf5, "tiny.keras": check_keras_archive}.items():
        copy = tmp_path / name
        copy.write_bytes((tiny_keras_files / name).read_bytes())
        embed_card(copy, {"labels": MANY_LABELS})
        assert json.loads(check(copy, MANY_BYTES) or "") == {"labels": MANY_LABELS}


def test_replacing_the_card_of_a_keras_archive_keeps_every_other_member(tiny_keras_files: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tiny.keras"
    copy.write_bytes((tiny_keras_files / "tiny.keras").read_bytes())
    with zipfile.ZipFile(copy) as archive:
        before = {name: archive.read(name) for name in archive.namelist()}
    embed_card(copy, {"version": "1"})
    embed_card(copy, {"version": "2"})
    with zipfile.ZipFile(copy) as archive:
        after = {name: archive.read(name) for name in archive.namelist()}
        assert len(archive.namelist()) == len(after)
    assert after == before | {"model_card.json": b'{"version": "2"}'}
    assert [entry.name for entry in tmp_path.iterdir()] == ["tiny.keras"]


def test_other_metadata_of_an_onnx_file_stays(tmp_path: Path) -> None:
    path = tiny_onnx(tmp_path / "tiny.onnx")
    model = onnx.load_model(path)
    model.metadata_props.add(key="author", value="Ada")
    onnx.save(model, path)
    embed_card(path, {"version": "1"})
    assert {entry.key: entry.value for entry in onnx.load_model(path).metadata_props} == {
        "author": "Ada",
        "model_card": '{"version": "1"}',
    }


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(100)])
def test_a_file_that_is_no_model_is_a_rejection_and_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(content)
    with pytest.raises(ModelRejected) as rejection:
        embed_card(path, {"version": "1"})
    assert rejection.value.fault in (ModelFault.NOT_A_MODEL, ModelFault.TRUNCATED)
    assert path.read_bytes() == content


def test_a_card_that_is_too_large_is_refused(model: Path) -> None:
    with pytest.raises(ModelRejected, match="bad_card"):
        embed_card(model, {"description": "x" * (4 << 20)})


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\nbig fish\n",
        "cat\r\ndog\r\nbig fish",
        '\ufeff["cat", "dog", "big fish"]',
        "cat\n dog \nbig fish\n\n\n",
    ],
)
def test_labels_are_one_a_line_or_a_json_list(text: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(text.encode())
    assert read_labels(path) == ["cat", "dog", "big fish"]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("0 Cats\n1 Dogs\n", ["Cats", "Dogs"]),
        ("0 Cats\r\n1\tBig dogs\r\n", ["Cats", "Big dogs"]),
        ("0 1\n1 0\n", ["1", "0"]),
        ("\n".join(f"{index} class {index}" for index in range(12)), [f"class {index}" for index in range(12)]),
    ],
)
def test_lines_that_begin_with_their_own_numbers_lose_them(text: str, labels: list[str], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert read_labels(tmp_path / "labels.txt") == labels


@pytest.mark.parametrize(
    "labels",
    [
        ["0", "1", "2"],
        ["0", "1 Dogs"],
        ["0 Cats", "Dogs"],
        ["1 Cats", "2 Dogs"],
        ["0 Cats", "2 Dogs"],
        ["1 Dogs", "0 Cats"],
        ["00 Cats", "01 Dogs"],
        ["0Cats", "1Dogs"],
        ["3 legs", "4 legs"],
    ],
)
def test_numbers_that_are_no_line_numbers_are_a_part_of_the_label(labels: list[str], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join(labels))
    assert read_labels(tmp_path / "labels.txt") == labels


def test_labels_in_json_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "labels.json").write_text('["0 Cats", "1 Dogs"]')
    assert read_labels(tmp_path / "labels.json") == ["0 Cats", "1 Dogs"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "no labels"),
        (b"\n\n", "no labels"),
        (b"[]", "no labels"),
        (b"cat\n\ndog", "line 2"),
        (b'["cat", 3]', "list of texts"),
        (b'{"0": "cat"}', "list of texts"),
        (b"[1,", "not JSON"),
        (b"caf\xe9", "UTF-8"),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(content: bytes, word: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match=word):
        read_labels(path)


def test_a_card_file_that_is_absent_or_no_object_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_card_file(tmp_path / "absent.json")
    (tmp_path / "card.json").write_text("[1]")
    with pytest.raises(ReleaseError, match="not a JSON object"):
        read_card_file(tmp_path / "card.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gs://bucket", Destination("gs://bucket", None)),
        ("gs://bucket/models/", Destination("gs://bucket/models/", None)),
        ("gs://bucket/models", Destination("gs://bucket/models", None)),
        ("gs://bucket/models/a.h5", Destination("gs://bucket/models", "a.h5")),
        ("gs://bucket.h5", Destination("gs://bucket.h5", None)),
        ("gs://bucket/a.h5/", Destination("gs://bucket/a.h5/", None)),
        ("models", Destination("models", None)),
        ("./models/a.onnx", Destination("./models", "a.onnx")),
        ("a.keras", Destination("", "a.keras")),
    ],
)
def test_a_destination_is_a_file_where_it_ends_in_a_models_suffix(text: str, expected: Destination) -> None:
    assert read_destination(text) == expected


@pytest.mark.parametrize("text", ["s3://bucket/x", "gs://", "gs:///x", "models/*.h5", ""])
def test_a_destination_that_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(ReleaseError):
        read_destination(text)


def test_a_folder_that_is_called_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "odd.h5").mkdir()
    assert read_destination(f"{tmp_path}/odd.h5").name is None


def test_an_address_keeps_the_form_in_which_its_folder_was_given() -> None:
    assert Destination("./models", None).address("a.h5") == "./models/a.h5"
    assert Destination("models/", None).address("a.h5") == "models/a.h5"
    assert Destination("", "a.h5").address("a.h5") == "a.h5"
    assert Destination("gs://bucket/models/", None).address("a.h5") == "gs://bucket/models/a.h5"


def test_a_name_of_its_own_tells_time_and_digest() -> None:
    now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    name = name_of_its_own("my digits?.h5", "hdf5", "0123456789abcdef" * 4, now)
    assert name == "my-digits-20300102T030405Z-0123456789ab.h5"
    assert name_of_its_own(name, "hdf5", "f" * 64, now) == "my-digits-20300102T030405Z-ffffffffffff.h5"


def test_a_made_up_name_bears_the_suffix_of_what_the_file_is() -> None:
    assert name_of_its_own("model.bin", "keras", "0" * 64).endswith(".keras")
    assert name_of_its_own("model.hdf5", "hdf5", "0" * 64).endswith(".hdf5")


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("*.h5", "model"),
        (".hidden.h5", "hidden"),
        ("größe[1].h5", "größe-1"),
        ("x" * 300, "x" * 150),
        ("数" * 300, "数" * 50),
    ],
)
def test_a_stem_is_fit_for_any_file_system_and_pattern(name: str, stem: str) -> None:
    assert model_stem(name) == stem


def test_a_chosen_name_must_not_promise_another_kind_of_file() -> None:
    assert checked_name("a.hdf5", "hdf5") == "a.hdf5"
    with pytest.raises(ReleaseError, match=r"\.onnx"):
        checked_name("a.h5", "onnx")


def test_a_published_file_has_its_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    source = tmp_path / "source.h5"
    source.write_bytes(os.urandom(3 << 20))
    folder = tmp_path / "models"
    folder.mkdir()
    told: list[int] = []
    put_locally(source, str(folder / "a.h5"), told.append)
    assert sum(told) == 3 << 20
    assert [entry.name for entry in folder.iterdir()] == ["a.h5"]
    assert sha256_of(folder / "a.h5") == sha256_of(source)


def test_a_taken_name_is_never_replaced(tmp_path: Path) -> None:
    source, target = tmp_path / "source.h5", tmp_path / "a.h5"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    with pytest.raises(NameTaken):
        put_locally(source, str(target))
    assert target.read_bytes() == b"old"
    assert {entry.name for entry in tmp_path.iterdir()} == {"source.h5", "a.h5"}


def test_one_of_many_publishers_gets_the_name(tmp_path: Path) -> None:
    target, outcomes = tmp_path / "a.h5", []

    def publish(content: bytes) -> None:
        source = tmp_path / f"source-{content.decode()}"
        source.write_bytes(content * 100_000)
        try:
            put_locally(source, str(target))
            outcomes.append(content)
        except NameTaken:
            pass

    threads = [threading.Thread(target=publish, args=(str(number).encode(),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = outcomes
    assert target.read_bytes() == winner * 100_000


def test_a_failed_copy_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "source.h5"
    source.write_bytes(b"x")

    def fail(written: int) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    with pytest.raises(OSError, match="disk full"):
        put_locally(source, str(tmp_path / "a.h5"), fail)
    assert [entry.name for entry in tmp_path.iterdir()] == ["source.h5"]


@pytest.mark.parametrize("taken", [False, True])
def test_without_hard_links_the_promises_are_the_same(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "not supported")

    monkeypatch.setattr(os, "link", no_links)
    source, target = tmp_path / "source.h5", tmp_path / "a.h5"
    source.write_bytes(b"new")
    if taken:
        target.write_bytes(b"old")
        with pytest.raises(NameTaken):
            put_locally(source, str(target))
    else:
        put_locally(source, str(target))
    assert target.read_bytes() == (b"old" if taken else b"new")
    assert {entry.name for entry in tmp_path.iterdir()} == {"source.h5", "a.h5"}


def test_others_may_read_what_was_published(tmp_path: Path) -> None:
    source = tmp_path / "source.h5"
    source.touch(mode=0o600)
    before = os.umask(0o022)
    try:
        put_locally(source, str(tmp_path / "a.h5"))
    finally:
        os.umask(before)
    assert (tmp_path / "a.h5").stat().st_mode & 0o777 == 0o644
