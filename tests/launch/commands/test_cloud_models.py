"""What the commands promise of models at gs://, on gcp-storage-emulator with Cloud Storage's preconditions added."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch.cli import app
from launch.command_line import run
from models.reference import sha256_of
from models.releasing.card_in_file import embedded_card
from models.storage.cloud import CloudStorage, bucket_location
from models.storage.errors import NameTaken, NoCredentials, NotWritten, StorageUnavailable
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.launch.tiny_models import tiny_onnx
from tests.waiting import eventually

CREATE_ONLY = {"ifGenerationMatch": "0"}


@pytest.fixture
def server(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StorageServer]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path_factory.getbasetemp() / "cache of cloud models"))
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


def put_model(server: StorageServer, name: str, favours: int, *, finite: bool = True) -> str:
    """A model in the bucket, newer than those before; answers its `model_id`."""
    path = tiny_onnx(Path("local.onnx"), favours=favours, finite=finite)
    server.put(name, path.read_bytes())
    written = time.time()
    eventually(lambda: time.time() > written + 0.002, "the next has a later time, in milliseconds")
    return f"gs://{BUCKET}/{name}@sha256:{sha256_of(path)[:12]}"


def test_a_model_is_published_with_its_card_and_only_where_nothing_was(server: StorageServer, capsys) -> None:
    tiny_onnx(Path("cats.onnx"))
    assert run(app, ["publish", "cats.onnx", f"gs://{BUCKET}/models/", "--version", "2"]) == 0
    [name] = server.names()
    assert name.startswith("models/cats-")
    Path("back.onnx").write_bytes(server.content(name))
    assert embedded_card(Path("back.onnx")) == {"name": "cats", "version": "2"}
    digest = sha256_of(Path("back.onnx"))[:12]
    assert capsys.readouterr().out.splitlines()[-1] == f"gs://{BUCKET}/{name}@sha256:{digest}"
    assert all(CREATE_ONLY.items() <= write.items() for write in server.writes)
    assert server.writes


def test_a_name_that_is_taken_is_refused_before_anything_is_sent(server: StorageServer, capsys) -> None:
    tiny_onnx(Path("cats.onnx"))
    server.put("best.onnx", b"old")
    server.writes.clear()
    assert run(app, ["publish", "cats.onnx", f"gs://{BUCKET}/best.onnx"]) == 2
    assert f"gs://{BUCKET}/best.onnx exists" in capsys.readouterr().err
    assert server.writes == []


def test_a_name_that_is_taken_meanwhile_is_refused_by_the_precondition(server: StorageServer, capsys) -> None:
    tiny_onnx(Path("cats.onnx"))
    server.meanwhile = lambda: server.put("best.onnx", b"somebody else's")
    assert run(app, ["publish", "cats.onnx", f"gs://{BUCKET}/best.onnx"]) == 1
    assert f"gs://{BUCKET}/best.onnx exists" in capsys.readouterr().err
    assert server.content("best.onnx") == b"somebody else's"


@pytest.mark.parametrize("size", [100, 20 << 20], ids=["in one request", "in chunks"])
def test_an_upload_of_any_size_replaces_nothing(server: StorageServer, size: int, tmp_path: Path) -> None:
    source = tmp_path / "large.h5"
    source.write_bytes(bytes(size))
    cloud = CloudStorage.connect()
    cloud.put(source, f"gs://{BUCKET}/large.h5", lambda size: None)
    assert server.content("large.h5") == bytes(size)

    server.put("taken.h5", b"old")
    with pytest.raises(NameTaken):
        cloud.put(source, f"gs://{BUCKET}/taken.h5", lambda size: None)
    assert server.content("taken.h5") == b"old"


def test_an_upload_that_was_repeated_because_its_answer_got_lost_has_succeeded(
    server: StorageServer, tmp_path: Path
) -> None:
    source = tmp_path / "a.h5"
    source.write_bytes(b"the very bytes")
    server.meanwhile = lambda: server.put("a.h5", b"the very bytes")
    CloudStorage.connect().put(source, f"gs://{BUCKET}/a.h5", lambda size: None)
    assert server.content("a.h5") == b"the very bytes"


def test_a_bucket_that_is_not_there_is_one_line(server: StorageServer, capsys) -> None:
    tiny_onnx(Path("cats.onnx"))
    assert run(app, ["publish", "cats.onnx", "gs://no-such-bucket/models/"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: gs://no-such-bucket/models/cats-")
    assert error.endswith("there is no such bucket")


def test_vet_reads_from_a_bucket(server: StorageServer, capsys) -> None:
    model_id = put_model(server, "models/a.onnx", 1)
    assert run(app, ["vet", f"gs://{BUCKET}/models/a.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model_id"] == model_id
    assert run(app, ["vet", f"gs://{BUCKET}/models/absent.onnx"]) == 2
    assert "error: there is no file" in capsys.readouterr().err


def test_models_and_rollback_agree_with_the_job_about_which_is_newest(
    server: StorageServer, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from apache_beam.internal.gcp import auth

    from transforms.beam_storage import BeamStorage

    # Beam looks for credentials for half a minute before it asks an emulator without any.
    monkeypatch.setattr(auth, "get_service_credentials", lambda _: None)
    before = put_model(server, "models/before.onnx", 0)
    put_model(server, "models/bad.onnx", 1, finite=False)
    live = put_model(server, "models/live.onnx", 2)
    put_model(server, "models/deeper/other.onnx", 1)
    put_model(server, "models/other.txt", 1)
    pattern = f"gs://{BUCKET}/models/*.onnx"

    assert run(app, ["models", pattern, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["state"], each["model_name"]) for each in listed] == [
        ("live", "live"),
        ("rejected", "bad"),
        ("valid", "before"),
    ]
    assert listed[0]["model_id"] == live

    generation = server.generation("models/before.onnx")
    assert run(app, ["rollback", pattern]) == 0
    assert capsys.readouterr().out == f"{before}\n"
    assert server.generation("models/before.onnx") != generation
    by_beam = {file.uri: file.modified for file in BeamStorage().list(pattern)}
    assert max(by_beam, key=by_beam.__getitem__) == f"gs://{BUCKET}/models/before.onnx"
    by_us = {file.uri: file.modified for file in CloudStorage.connect().list(pattern)}
    assert by_us == pytest.approx(by_beam)


def test_an_object_that_changed_since_it_was_listed_is_not_made_the_newest(server: StorageServer) -> None:
    server.put("a.onnx", b"old")
    cloud = CloudStorage.connect()
    [listed] = cloud.list(f"gs://{BUCKET}/a.onnx")
    server.meanwhile = lambda: server.put("a.onnx", b"new")
    with pytest.raises(NotWritten, match="changed meanwhile"):
        cloud.make_newest(listed, above=0.0)
    assert server.content("a.onnx") == b"new"


def test_a_bucket_says_where_it_is(server: StorageServer) -> None:
    assert bucket_location(BUCKET, seconds=0.2) == ("US",)


def test_a_bucket_that_does_not_exist_is_told_from_one_that_cannot_be_asked(
    server: StorageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="gs://not-there"):
        bucket_location("not-there", seconds=0.2)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(StorageUnavailable, match="refused"):
        bucket_location(BUCKET, seconds=0.2)


def test_credentials_that_cannot_be_used_are_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/key.json")
    with pytest.raises(StorageUnavailable, match=r"/no/such/key\.json") as raised:
        bucket_location(BUCKET, seconds=5.0)
    assert not isinstance(raised.value, NoCredentials)


def test_without_credentials_the_remedy_comes_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    def none_found(**_: object) -> None:
        raise DefaultCredentialsError("none")

    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(google.auth, "default", none_found)
    assert run(app, ["models", "gs://bucket/*.h5"]) == 2
    assert "gcloud auth application-default login" in capsys.readouterr().err.splitlines()[-1]


def test_a_key_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/no/such/key.json")
    assert run(app, ["models", "gs://bucket/*.h5"]) == 2
    assert "/no/such/key.json" in capsys.readouterr().err.splitlines()[-1]


def test_a_search_for_credentials_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    import google.auth

    from models.storage.credentials import find_credentials

    released = threading.Event()
    monkeypatch.setattr(google.auth, "default", lambda **_: (released.wait(30), None))
    started = time.monotonic()
    assert find_credentials(seconds=0.2) is None
    assert time.monotonic() - started < 5
    released.set()


def test_an_emulator_that_is_not_there_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    started = time.monotonic()
    assert run(app, ["models", "gs://bucket/*.h5"]) == 1
    assert time.monotonic() - started < 15
    assert "STORAGE_EMULATOR_HOST=http://127.0.0.1:1 does not answer" in capsys.readouterr().err.splitlines()[-1]
