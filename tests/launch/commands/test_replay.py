"""Dead letters become messages again, as they were."""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.cloud import pubsub_v1

from launch.cli import app
from launch.command_line import run
from launch.dead_letters import message_of
from launch.pubsub_emulator import PubSubEmulator
from models.errors import ImageFault
from models.records import REPLAY_OF, DeadLetter, Origin, encode
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC, pull
from tests.launch.storage_server import BUCKET, StorageServer, storage_server
from tests.waiting import eventually


def letter(number: int, stage: Any = "read", error: ImageFault = ImageFault.NOT_FOUND, **attributes: str) -> bytes:
    origin = Origin(f"id-{number}", "2026-01-01T00:00:00.000000Z", attributes)
    image, payload = (None, b"\xff\xfe") if stage == "message" else (f"/images/ü {number}.png", None)
    return encode(DeadLetter(image, payload, stage, error, "why", origin)) + b"\n"


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    path = tmp_path / "dead.jsonl"
    path.write_bytes(
        letter(1, customer="42")
        + letter(2, "message", ImageFault.NOT_UTF8)
        + letter(3, "decode", ImageFault.TRUNCATED, hotswap_replay_of="the very first")
    )
    return path


def replayed(*arguments: str) -> int:
    return run(app, ["replay", *arguments])


def received(subscriber: pubsub_v1.SubscriberClient) -> list[tuple[bytes, dict[str, str]]]:
    return [(each.message.data, dict(each.message.attributes)) for each in pull(subscriber)]


def test_feedback_is_no_image_and_comes_again_only_where_that_is_asked_for(
    letters: Path, subscriber: pubsub_v1.SubscriberClient
) -> None:
    letters.write_bytes(letter(4, "message", ImageFault.BAD_FEEDBACK))
    assert replayed(str(letters), "--topic", TOPIC, "--stage", "message") == 0
    assert received(subscriber) == []
    assert replayed(str(letters), "--topic", TOPIC, "--error", "bad_feedback") == 0
    assert [data for data, _ in received(subscriber)] == [b"\xff\xfe"]


def test_each_message_is_published_again_with_its_attributes_and_its_first_id(
    letters: Path, subscriber: pubsub_v1.SubscriberClient
) -> None:
    assert replayed(str(letters), "--topic", TOPIC) == 0

    assert received(subscriber) == [
        ("/images/ü 1.png".encode(), {"customer": "42", REPLAY_OF: "id-1"}),
        (b"\xff\xfe", {REPLAY_OF: "id-2"}),
        ("/images/ü 3.png".encode(), {REPLAY_OF: "the very first"}),
    ]


@pytest.mark.parametrize(
    ("options", "images"),
    [
        (["--error", "truncated"], ["/images/ü 3.png"]),
        (["--error", "truncated", "--error", "not_found"], ["/images/ü 1.png", "/images/ü 3.png"]),
        (["--stage", "read"], ["/images/ü 1.png"]),
        (["--stage", "read", "--error", "truncated"], []),
    ],
)
def test_only_what_is_asked_for_is_published(
    options: list[str], images: list[str], letters: Path, subscriber: pubsub_v1.SubscriberClient
) -> None:
    assert replayed(str(letters), "--topic", TOPIC, *options) == 0

    assert [data.decode() for data, _ in received(subscriber)] == images


def test_a_dry_run_publishes_nothing_and_needs_no_topic(
    letters: Path, emulator: PubSubEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(str(letters), "--topic", "projects/p/topics/none", "--dry-run") == 0

    assert emulator.statistics(SUBSCRIPTION).published == 0
    assert "3 dead letters read: 3 would be published" in capsys.readouterr().err


def test_half_a_line_is_left_out_and_the_rest_published(
    letters: Path, emulator: PubSubEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    with letters.open("ab") as file:
        file.write(letter(4)[:30])

    assert replayed(str(letters), "--topic", TOPIC) == 0

    assert emulator.statistics(SUBSCRIPTION).published == 3
    assert "line 4: not finished, it is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        *(b"nonsense\n", b"[1]\n", b"{}\n", b'{"payload":"%","error":"x","stage":"y","attributes":{}}\n', b"7\n"),
        b"[" * 100_000 + b"\n",
    ],
    ids=["no json", "a list", "nothing", "no payload", "a number", "deep"],
)
def test_what_is_no_dead_letter_is_told_and_the_rest_published(
    line: bytes, letters: Path, emulator: PubSubEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    letters.write_bytes(line + letters.read_bytes())

    assert replayed(str(letters), "--topic", TOPIC) == 1

    assert emulator.statistics(SUBSCRIPTION).published == 3
    told = capsys.readouterr().err
    assert "line 1: no dead letter" in told
    assert re.search(r"3 dead letters read: 3 published to \S+, 1 unreadable", told)


def test_a_folder_is_read_file_by_file(tmp_path: Path, emulator: PubSubEmulator) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jsonl").write_bytes(letter(number) * 300)

    assert replayed(str(tmp_path), "--topic", TOPIC) == 0

    eventually(lambda: emulator.statistics(SUBSCRIPTION).published == 900, "every message")


def test_standard_input_is_read_too(letters: Path, emulator: PubSubEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    with letters.open() as standard_input:
        monkeypatch.setattr(sys, "stdin", standard_input)

        assert replayed("-", "--topic", TOPIC) == 0

    assert emulator.statistics(SUBSCRIPTION).published == 3


def test_a_named_pipe_is_read_to_its_end(letters: Path, tmp_path: Path, emulator: PubSubEmulator) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(letters.read_bytes()))
    writer.start()

    assert replayed(str(pipe), "--topic", TOPIC) == 0

    writer.join()
    assert emulator.statistics(SUBSCRIPTION).published == 3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageServer]:
    with storage_server() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.address)
        yield server


def test_objects_are_read_one_after_the_other_by_name(
    bucket: StorageServer, letters: Path, subscriber: pubsub_v1.SubscriberClient
) -> None:
    bucket.put("dead/b.jsonl", letter(9))
    bucket.put("dead/a.jsonl", letters.read_bytes())
    bucket.put("dead/deeper/c.jsonl", letter(8))

    assert replayed(f"gs://{BUCKET}/dead/*.jsonl", "--topic", TOPIC) == 0

    assert [attributes[REPLAY_OF] for _, attributes in received(subscriber)] == [
        "id-1",
        "id-2",
        "the very first",
        "id-9",
    ]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (f"gs://{BUCKET}/none/*.jsonl", f"gs://{BUCKET}/none/*.jsonl has no files of dead letters"),
        ("gs://not-there/*.jsonl", "gs://not-there/*.jsonl cannot be read: "),
        (f"gs://{BUCKET}", f"gs://{BUCKET} cannot be read: "),
        ("nfs://there/*.jsonl", "nfs://there/*.jsonl cannot be read: "),
    ],
)
def test_a_bucket_without_dead_letters_is_one_line_and_code_2(
    place: str, told: str, bucket: StorageServer, emulator: PubSubEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replayed(place, "--topic", TOPIC) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {told}")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{tmp}/none.jsonl", "--topic", TOPIC], "none.jsonl cannot be read: No such file or directory"),
        (["{tmp}", "--topic", TOPIC], "has no files of dead letters"),
        (["{letters}", "--topic", "images"], "--topic is 'images'; projects/PROJECT/topics/NAME is expected"),
        (["{letters}", "--topic", "projects/p/topics/one"], "--topic is 'projects/p/topics/one'; projects/PROJECT"),
        (["{letters}", "--topic", "projects/demo-project/topics/none"], "topics/none cannot be published to"),
        (["{letters}", "--topic", TOPIC, "--stage", "reed"], "--stage reed is none of message, read, decode, predict"),
        (["{letters}", "--topic", TOPIC, "--error", "oops"], "'oops' is not one of"),
        (["{letters}"], "Missing option '--topic'"),
    ],
)
def test_what_cannot_begin_is_one_line_and_code_2(
    arguments: list[str],
    told: str,
    letters: Path,
    tmp_path: Path,
    emulator: PubSubEmulator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    asked = [argument.replace("{tmp}", str(empty)).replace("{letters}", str(letters)) for argument in arguments]

    assert replayed(*asked) == 2

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert told in line


def test_a_message_full_of_attributes_is_replayed_without_the_mark() -> None:
    attributes = {f"name{number}": "value" for number in range(100)}

    assert message_of(json.loads(letter(1, "read", ImageFault.NOT_FOUND, **attributes))).attributes == attributes


def test_bytes_come_back_as_they_were() -> None:
    record = json.loads(letter(1, "message"))

    assert base64.b64decode(record["payload"]) == message_of(record).data == b"\xff\xfe"
