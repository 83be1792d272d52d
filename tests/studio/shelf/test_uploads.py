"""An upload is vetted in its turn in the confined child, and what is published are the bytes that were vetted."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from models.reference import sha256_of
from models.releasing.card_in_file import embedded_card
from models.storage.schemes import AnyStorage
from studio.errors import StudioRefused, Trouble
from studio.places import Places
from studio.shelf.shelf import ModelShelf
from studio.shelf.uploads import KEPT_SECONDS, MOST_KEPT, Uploads
from tests.model_files import nan_output, never_returns, pickled, tiny_classifier
from tests.studio.shelf.studio_models import goes_live, standings, stream, vetted
from tests.waiting import eventually

MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    """Where the bytes of an upload come in."""
    folder = tmp_path / "sent"
    folder.mkdir()
    return folder


def refusal(shelf_call: object, *arguments: object) -> StudioRefused:
    assert callable(shelf_call)
    with pytest.raises(StudioRefused) as refused:
        shelf_call(*arguments)
    assert str(refused.value).isprintable()
    return refused.value


def vetting_children() -> list[psutil.Process]:
    """Nothing else: a database server of other tests is a child of this process too."""
    return [each for each in psutil.Process().children(recursive=True) if _vets(each)]


def _vets(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "models.vetting" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_an_accepted_upload_is_published_and_goes_live(places: Places, shelf: ModelShelf, sent: Path) -> None:
    card = {"name": MARKUP, "labels": ["a", MARKUP, "c"], "tags": ["made_by=somebody"]}
    file = tiny_classifier(sent / "raw", card=card)
    wanted = sha256_of(file)

    upload = shelf.take_upload("my digits?.onnx", file)
    assert not file.exists()
    told = vetted(shelf, upload)

    assert (told["upload"], told["name"], told["state"], told["reason"]) == (upload, "my digits?.onnx", "accepted", "")
    assert told["detail"]
    assert told["seconds"] > 0
    model = json.loads(json.dumps(told))["model"]
    assert (model["name"], model["standing"], model["accuracy"]) == (MARKUP, "valid", None)
    assert model["card"]["labels"] == ["a", MARKUP, "c"]
    assert model["tags"] == {"made_by": "somebody"}
    assert model["size"] > 0
    assert shelf.models()["models"] == []  # nothing is published by vetting

    model_id = shelf.publish_upload(upload)

    [published] = places.models.iterdir()
    assert model_id == model["model_id"] == f"{published}@sha256:{wanted[:12]}"
    assert published.name.startswith("my-digits-2")
    assert sha256_of(published) == wanted  # a card with a name is kept to the last byte
    assert shelf.publish_upload(upload) == model_id  # once, however often it is asked for
    assert len(list(places.models.iterdir())) == 1
    with stream(places) as serving:
        goes_live(serving, model_id)
    assert standings(shelf) == {published.name: "live"}


def test_a_model_without_a_name_is_called_as_its_file_was(
    places: Places, shelf: ModelShelf, keras_files: Path, sent: Path
) -> None:
    file = sent / "raw"
    file.write_bytes((keras_files / "good.h5").read_bytes())
    upload = shelf.take_upload("birds.h5", file)
    told = vetted(shelf, upload)
    assert (told["state"], told["model"]["name"], told["model"]["version"]) == ("accepted", "birds", "7")
    model_id = shelf.publish_upload(upload)
    [published] = places.models.iterdir()
    assert model_id == f"{published}@sha256:{sha256_of(published)[:12]}"
    assert embedded_card(published) == {"name": "birds", "labels": ["cat", "dog", "emu"], "version": 7}


def test_a_rejected_upload_says_why_and_is_not_published(places: Places, shelf: ModelShelf, sent: Path) -> None:
    upload = shelf.take_upload("x.onnx", nan_output(sent / "raw"))
    told = vetted(shelf, upload)
    assert (told["state"], told["reason"], told["model"]) == ("rejected", "non_finite_output", None)
    assert told["detail"].isprintable()
    refused = refusal(shelf.publish_upload, upload)
    assert refused.trouble is Trouble.NOT_POSSIBLE
    assert "non_finite_output" in str(refused)
    assert list(places.models.iterdir()) == []


def test_a_hostile_upload_does_nothing_but_be_rejected(
    places: Places, shelf: ModelShelf, keras_files: Path, sent: Path
) -> None:
    hostile = sent / "lambda"
    hostile.write_bytes((keras_files / "lambda.h5").read_bytes())
    uploads = [
        shelf.take_upload("lambda.h5", hostile),
        shelf.take_upload("pickle.keras", pickled(sent / "pickle", sent / "it-has-run")),
    ]
    words = [vetted(shelf, upload)["reason"] for upload in uploads]
    assert words == ["unsafe_code", "not_a_model"]
    assert not (keras_files / "lambda-has-run").exists()
    assert not (sent / "it-has-run").exists()
    assert list(places.models.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "shown", "published"),
    [
        ("../../etc/cron.d/x.onnx", "x.onnx", "x-2"),
        ("C:\\fakepath\\digits.ONNX", "digits.ONNX", "digits-2"),
        ("/absolute/.onnx", ".onnx", "onnx-2"),
        ("a\x00b\x1b[2J\nc.onnx", "a\\x00b\\x1b[2J\\nc.onnx", "a-b-2J-c-2"),
        ("*?[x].onnx", "*?[x].onnx", "x-2"),
        (f"{MARKUP}.onnx", "script>.onnx", "script-2"),
        ("é\u202egnp.onnx", "é\\u202egnp.onnx", "é-gnp-2"),
        ("x" * 300 + ".onnx", "x" * 114 + "….onnx", "x" * 150 + "-2"),
        ("数" * 300 + ".onnx", "数" * 114 + "….onnx", "数" * 50 + "-2"),
        ("\udcff.onnx", "\\udcff.onnx", "model-2"),
    ],
)
def test_a_hostile_name_names_nothing_elsewhere(
    places: Places, shelf: ModelShelf, sent: Path, name: str, shown: str, published: str
) -> None:
    upload = shelf.take_upload(name, tiny_classifier(sent / "raw"))
    assert all(path.resolve().is_relative_to(places.uploads.resolve()) for path in places.uploads.rglob("*"))
    told = vetted(shelf, upload)
    assert (told["state"], told["name"]) == ("accepted", shown)
    assert json.dumps(told).encode()
    shelf.publish_upload(upload)
    [file] = places.models.iterdir()
    assert file.name.startswith(published)
    assert sorted(path.name for path in places.root.parent.iterdir()) == ["models", "sent", "studio"]


@pytest.mark.parametrize("name", ["", "x", "x.h5.exe", "x.h5/", "x.pkl", "x.onnx\n", "h5", ".sig", "x.h5 "])
def test_a_name_that_no_model_has_is_refused_and_the_file_stays(
    places: Places, shelf: ModelShelf, sent: Path, name: str
) -> None:
    file = tiny_classifier(sent / "raw")
    assert refusal(shelf.take_upload, name, file).trouble is Trouble.BAD_REQUEST
    assert file.exists()
    assert list(places.uploads.iterdir()) == []


def test_only_the_bytes_that_were_vetted_are_published(places: Places, shelf: ModelShelf, sent: Path) -> None:
    upload = shelf.take_upload("x.onnx", tiny_classifier(sent / "raw", favours=0))
    vetted(shelf, upload)
    [kept] = [path for path in places.uploads.rglob("*") if path.is_file()]
    tiny_classifier(kept, favours=2)
    refused = refusal(shelf.publish_upload, upload)
    assert "other bytes than those that were vetted" in str(refused)
    kept.unlink()
    assert "is gone" in str(refusal(shelf.publish_upload, upload))
    assert list(places.models.iterdir()) == []


def test_another_file_of_the_same_name_is_not_replaced(places: Places, shelf: ModelShelf, sent: Path) -> None:
    upload = shelf.take_upload("x.onnx", tiny_classifier(sent / "raw"))
    taken = places.models / vetted(shelf, upload)["model"]["file"]
    taken.write_bytes(b"somebody's")
    refused = refusal(shelf.publish_upload, upload)
    assert refused.trouble is Trouble.NOT_POSSIBLE
    assert "there is another file" in str(refused)
    assert taken.read_bytes() == b"somebody's"


def test_uploads_are_vetted_one_at_a_time_and_a_drop_ends_a_vetting(
    places: Places, shelf: ModelShelf, sent: Path
) -> None:
    endless = shelf.take_upload("endless.onnx", never_returns(sent / "a"))
    waiting = shelf.take_upload("waiting.onnx", tiny_classifier(sent / "b"))
    eventually(vetting_children, "vetting to begin")
    eventually(lambda: shelf.upload(endless)["detail"] == "it is being vetted", "the first to be vetted")
    assert shelf.upload(waiting) | {"seconds": 0} == {
        "upload": waiting,
        "name": "waiting.onnx",
        "state": "vetting",
        "reason": "",
        "detail": "it waits for its turn",
        "seconds": 0,
        "model": None,
    }
    assert "not vetted yet" in str(refusal(shelf.publish_upload, waiting))

    shelf.drop_upload(endless)

    assert refusal(shelf.upload, endless).trouble is Trouble.NOT_FOUND
    assert refusal(shelf.drop_upload, endless).trouble is Trouble.NOT_FOUND
    assert vetted(shelf, waiting)["state"] == "accepted"
    eventually(lambda: [path.name for path in places.uploads.iterdir()] == [waiting], "its files to go")


def test_closing_ends_a_vetting_under_way(places: Places, sent: Path) -> None:
    with closing(ModelShelf(places)) as shelf:
        upload = shelf.take_upload("endless.onnx", never_returns(sent / "a"))
        shelf.take_upload("waiting.onnx", tiny_classifier(sent / "b"))
        eventually(vetting_children, "vetting to begin")
        assert shelf.upload(upload)["state"] == "vetting"
    assert not vetting_children()
    assert list(places.uploads.iterdir()) == []
    assert "the studio is ending" in str(refusal(shelf.take_upload, "x.onnx", tiny_classifier(sent / "c")))


def test_a_child_that_is_killed_again_and_again_is_told_in_words(shelf: ModelShelf, sent: Path) -> None:
    upload = shelf.take_upload("endless.onnx", never_returns(sent / "a"))

    def kill() -> bool:
        for child in vetting_children():
            child.kill()
        return bool(shelf.upload(upload)["state"] != "vetting")

    eventually(kill, "vetting to be given up", seconds=180)
    told = shelf.upload(upload)
    assert told["state"] in ("rejected", "failed")
    assert told["reason"] in ("crashed", "machine")
    assert "vetting process" in told["detail"]


def test_at_most_eight_are_kept_and_the_oldest_goes(places: Places, shelf: ModelShelf, sent: Path) -> None:
    junk = [shelf.take_upload(f"{number}.onnx", nan_output(sent / "raw")) for number in range(MOST_KEPT)]
    for upload in junk:
        vetted(shelf, upload)
    another = shelf.take_upload("another.onnx", nan_output(sent / "raw"))
    assert refusal(shelf.upload, junk[0]).trouble is Trouble.NOT_FOUND
    assert vetted(shelf, another)["state"] == "rejected"
    assert len(list(places.uploads.iterdir())) == MOST_KEPT


def test_more_than_eight_that_wait_are_refused(places: Places, shelf: ModelShelf, sent: Path) -> None:
    for number in range(MOST_KEPT):
        shelf.take_upload(f"{number}.onnx", never_returns(sent / "raw"))
    file = tiny_classifier(sent / "raw")
    assert refusal(shelf.take_upload, "x.onnx", file).trouble is Trouble.BUSY
    assert file.exists()
    assert len(list(places.uploads.iterdir())) == MOST_KEPT


def test_an_upload_goes_after_an_hour_and_what_was_left_at_the_start(places: Places, sent: Path) -> None:
    killed = places.uploads / uuid.uuid4().hex
    killed.mkdir()
    (killed / "x.onnx").write_bytes(b"of a run that was killed")
    (places.uploads / "thesis.odt").write_bytes(b"somebody's own")
    now = [0.0]
    with closing(Uploads(places, AnyStorage(), lambda: now[0])) as uploads:
        assert [path.name for path in places.uploads.iterdir()] == ["thesis.odt"]
        upload = uploads.take("x.onnx", nan_output(sent / "raw"))
        eventually(lambda: uploads.to_json(upload)["state"] == "rejected", "the verdict")
        now[0] = KEPT_SECONDS - 1
        assert uploads.to_json(upload)["state"] == "rejected"
        now[0] = KEPT_SECONDS + 1
        assert "upload the file again" in str(refusal(uploads.to_json, upload))
        assert [path.name for path in places.uploads.iterdir()] == ["thesis.odt"]


def test_a_full_disk_is_told_in_words_and_publishing_goes_on_once_there_is_room(
    small_disk: Path, tmp_path: Path, sent: Path
) -> None:
    places = Places(tmp_path / "studio", small_disk / "models")
    places.make()
    with closing(ModelShelf(places)) as shelf:
        upload = shelf.take_upload("x.onnx", tiny_classifier(sent / "raw"))
        vetted(shelf, upload)
        filling = small_disk / "others"
        with filling.open("ab", buffering=0) as others, pytest.raises(OSError, match="No space left"):
            while True:
                others.write(bytes(4096))
        refused = refusal(shelf.publish_upload, upload)
        assert refused.trouble is Trouble.DISK_FULL
        assert "make room" in str(refused)
        assert list(places.models.iterdir()) == []
        filling.unlink()
        assert shelf.publish_upload(upload)


def test_an_upload_that_finds_the_disk_full_is_refused_and_nothing_is_left(
    small_disk: Path, tmp_path: Path, sent: Path
) -> None:
    places = Places(small_disk / "studio", tmp_path / "models")
    places.make()
    file = sent / "raw"
    file.write_bytes(bytes(2 << 20))
    with closing(ModelShelf(places)) as shelf:
        assert refusal(shelf.take_upload, "x.onnx", file).trouble is Trouble.DISK_FULL
        assert file.exists()
        assert list(places.uploads.iterdir()) == []


def test_a_disk_that_is_full_while_a_file_is_vetted_is_told_in_words(
    shelf: ModelShelf, small_disk: Path, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_CACHE", str(small_disk / "cache"))
    file = tiny_classifier(sent / "raw")
    with file.open("ab") as growing:
        growing.write(bytes(2 << 20))
    told = vetted(shelf, shelf.take_upload("x.onnx", file))
    assert (told["state"], told["reason"], told["model"]) == ("failed", "disk_full", None)
    assert "make room" in told["detail"]


def test_a_machine_that_cannot_vet_says_so(
    shelf: ModelShelf, sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "no-folder").write_bytes(b"")
    monkeypatch.setenv("HOTSWAP_CACHE", str(tmp_path / "no-folder"))
    told = vetted(shelf, shelf.take_upload("x.onnx", tiny_classifier(sent / "raw")))
    assert (told["state"], told["reason"], told["model"]) == ("failed", "machine", None)
    assert "set HOTSWAP_CACHE" in told["detail"]


def test_a_file_that_was_never_a_model_is_opened_by_nobody_but_the_child(
    shelf: ModelShelf, sent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(storage: object, model: str, *rest: object) -> None:
        raise AssertionError(f"{model} is opened before it is vetted")

    monkeypatch.setattr("studio.shelf.candidate.prepare", refuse)
    upload = shelf.take_upload("x.onnx", nan_output(sent / "raw"))
    assert vetted(shelf, upload)["reason"] == "non_finite_output"
