"""`hotswap predict`, on a real server: what it sees, by which model, and what of it has no answer."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from serving.client import IN_FLIGHT
from tests.end_to_end.telling_models import drop
from tests.launch.commands.hotswap_command import Command, error_line
from tests.sample_images import encoded, small
from tests.serving.certificates import Authority
from tests.serving.running_server import RunningServer, running_server
from tests.serving.task_models import drop_task
from tests.waiting import eventually

_ROOT = Path(__file__).parents[3]
JPEG = encoded(small(), "JPEG")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    root = tmp_path_factory.mktemp("server")
    (root / "models").mkdir()
    drop(root / "models", "ant")
    with running_server(root, "--poll-seconds", "0.1") as server:
        yield server


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with three images, one of them deeper down, and files that are none of them."""
    folder = tmp_path / "images"
    (folder / "deeper" / ".hidden").mkdir(parents=True)
    for name in ("b.jpg", "a.JPEG", "deeper/c.png", "deeper/.hidden/d.jpg", ".e.jpg", "notes.txt"):
        (folder / name).write_bytes(JPEG)
    return folder


def live(hotswap: Command, server: RunningServer, image: Path, model_id: str) -> None:
    """Returns once a model answers."""
    eventually(lambda: hotswap("predict", server.grpc, str(image)).out.endswith(f"{model_id}\n"), model_id)


def run_hotswap(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The verb in a process of its own, whose standard input is bytes."""
    command = [sys.executable, "-m", "launch.cli", "predict", *arguments]
    return subprocess.run(command, cwd=_ROOT, input=stdin, capture_output=True, timeout=120)


def read_terminal(terminal: int) -> str:
    """What a terminal shows next; "" once nobody writes to it any more, which Linux tells as an error."""
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace")
    except OSError:
        return ""


def test_one_image_is_told_best_first_with_its_model(hotswap: Command, server: RunningServer, images: Path) -> None:
    model_id = drop(server.models, "bee")
    live(hotswap, server, images / "b.jpg", model_id)
    done = hotswap("predict", server.grpc, str(images / "b.jpg"))
    assert done.code == 0 and done.err == ""
    assert done.out.splitlines() == ["bee 0.9933", "something else 0.0067", f"1 image answered by {model_id}"]


def test_a_folder_is_told_a_line_each_with_all_below_it(hotswap: Command, server: RunningServer, images: Path) -> None:
    done = hotswap("predict", server.grpc, str(images), "--top", "1")
    *lines, last = done.out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        str(images / name) for name in ("a.JPEG", "b.jpg", "deeper/c.png")
    ]
    assert last.startswith("3 images answered by ")
    assert done.code == 0


def test_json_is_what_the_stream_writes(hotswap: Command, server: RunningServer, images: Path) -> None:
    model_id = drop(server.models, "cow", "cow-20261128T063841Z-515b307ad9b5.onnx")
    live(hotswap, server, images / "b.jpg", model_id)
    done = hotswap("predict", server.grpc, str(images), "--json")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert list(records[0]) == [
        *("image", "model_id", "model_name", "label", "class_index", "score", "top"),
        *("message_id", "publish_time", "predict_time", "attributes"),
    ]
    assert {(record["model_id"], record["model_name"], record["label"]) for record in records} == {
        (model_id, "cow", "cow")
    }
    assert [record["image"] for record in records][1] == str(images / "b.jpg")


@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("classification", "class 6 0.6327"),
        ("multilabel", "grass 0.7500"),
        ("segmentation", "sky 75.00%"),
        ("detection", "dog 0.7500 at 0.125 0.250 0.500 0.750"),
        ("raw", "first 1 2 and 2 more"),
    ],
)
def test_every_task_is_told_in_its_way(
    hotswap: Command, server: RunningServer, images: Path, task: str, line: str
) -> None:
    live(hotswap, server, images / "b.jpg", drop_task(server.models, task))
    done = hotswap("predict", server.grpc, str(images / "b.jpg"), "--top", "2")
    assert done.out.splitlines()[0] == line


def test_more_classes_than_there_are_give_all_of_them(hotswap: Command, server: RunningServer, images: Path) -> None:
    live(hotswap, server, images / "b.jpg", drop_task(server.models, "classification"))
    assert len(hotswap("predict", server.grpc, str(images / "b.jpg"), "--top", "99").out.splitlines()) == 7 + 1


def test_many_images_whose_answers_go_elsewhere_are_counted_on_the_way(
    hotswap: Command, server: RunningServer, images: Path
) -> None:
    done = hotswap("predict", server.grpc, *[str(images / "b.jpg")] * 1001, "--json")
    assert len(done.out.splitlines()) == 1001
    assert done.err == "1,000 of 1,001 images\n"


def test_a_terminal_shows_how_far_it_is_and_the_file_has_the_answers(
    server: RunningServer, images: Path, tmp_path: Path
) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "launch.cli", "predict", server.grpc, *[str(images / "b.jpg")] * 50, "--json"]
    with (tmp_path / "answers").open("wb") as answers:
        asking = subprocess.Popen(command, cwd=_ROOT, stdout=answers, stderr=its_end)
    os.close(its_end)
    shown = "".join(iter(lambda: read_terminal(terminal), ""))
    os.close(terminal)
    assert asking.wait(60) == 0
    assert "/50" in shown and "model_id" not in shown
    assert len((tmp_path / "answers").read_text().splitlines()) == 50


def test_what_has_no_answer_is_told_and_the_others_go_on(
    hotswap: Command, server: RunningServer, images: Path, tmp_path: Path
) -> None:
    (images / "bad.jpg").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    done = hotswap("predict", server.grpc, str(images), "missing.jpg", str(tmp_path / "empty"))
    assert done.code == 1
    assert done.out.splitlines()[-1].startswith("3 images answered by ")
    told = sorted(done.err.splitlines())
    assert [line.partition(": ")[2].split(":")[0] for line in told] == ["not_found", "not_an_image", "not_found"]


def test_names_and_labels_of_strangers_stay_on_their_line(
    hotswap: Command, server: RunningServer, images: Path
) -> None:
    sly = images / "sly\x1b[2J\n.jpg"
    sly.write_bytes(b"no image")
    done = hotswap("predict", server.grpc, str(sly))
    [line] = done.err.splitlines()
    assert "\x1b" not in line and "not_an_image" in line


def test_an_image_on_standard_input_is_called_by_its_dash(server: RunningServer) -> None:
    done = run_hotswap(server.grpc, "-", "--json", stdin=JPEG)
    assert json.loads(done.stdout)["image"] == "-"
    assert done.returncode == 0


@pytest.fixture
def held(images: Path, tmp_path: Path) -> tuple[Path, list[str]]:
    """A pipe, and images with it among them: once it is opened to be read, the first of them are answered."""
    pipe = tmp_path / "held"
    os.mkfifo(pipe)
    return pipe, [*[str(images / "b.jpg")] * 2 * IN_FLIGHT, str(pipe), str(images / "b.jpg")]


def begun(server: RunningServer, given: Sequence[str]) -> subprocess.Popen[str]:
    """The verb under way in a process of its own."""
    command = [sys.executable, "-m", "launch.cli", "predict", server.grpc, *given]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_models_are_told_where_they_change(
    hotswap: Command, server: RunningServer, images: Path, held: tuple[Path, list[str]]
) -> None:
    pipe, given = held
    first = drop(server.models, "dog")
    live(hotswap, server, images / "b.jpg", first)
    with begun(server, given) as asking:
        with pipe.open("wb") as image:
            second = drop(server.models, "elk")
            live(hotswap, server, images / "b.jpg", second)
            image.write(JPEG)
        out, err = asking.communicate(timeout=60)
    told = [line for line in out.splitlines() if " answered by " in line]
    assert [line.rpartition(" ")[2] for line in told] == [first, second]
    assert sum(int(line.split()[0]) for line in told) == len(given)
    assert (asking.returncode, err) == (0, "")


def test_ctrl_c_tells_how_far_it_came(server: RunningServer, held: tuple[Path, list[str]]) -> None:
    pipe, given = held
    with begun(server, given) as asking, pipe.open("wb"):
        asking.send_signal(signal.SIGINT)
        out, err = asking.communicate(timeout=60)
    assert asking.returncode == 130
    [line] = err.splitlines()
    assert line.startswith("interrupted: ") and line.endswith(" answered")
    assert " answered by " in out.splitlines()[-1]


def test_who_reads_only_the_beginning_causes_no_trouble(server: RunningServer, images: Path) -> None:
    more_than_a_pipe_holds = [str(images / "b.jpg")] * 2000
    with begun(server, more_than_a_pipe_holds) as asking:
        assert asking.stdout is not None and asking.stderr is not None
        asking.stdout.readline()
        asking.stdout.close()
        assert asking.stderr.read() == ""
        assert asking.wait(60) == 1


def test_nobody_at_the_address_is_one_line(hotswap: Command, images: Path) -> None:
    done = hotswap("predict", "127.0.0.1:1", str(images))
    assert done.code == 1
    assert done.err == "error: 127.0.0.1:1 refuses connections: is `hotswap serve` running there, on that port?\n"


@pytest.mark.parametrize("arguments", [["127.0.0.1", "a.jpg"], ["127.0.0.1:1"], ["127.0.0.1:1", "a.jpg", "--top", "0"]])
def test_what_cannot_be_meant_is_said_before_anything_is_sent(hotswap: Command, arguments: list[str]) -> None:
    done = hotswap("predict", *arguments)
    assert done.code == 2
    error_line(done)


@pytest.mark.parametrize(
    ("given", "says"),
    [(["--tls-key", "a.pem"], "--tls-cert and --tls-key go together"),
     (["--tls-cert", "a.pem", "--tls-key", "a.pem"], "--tls-cert goes with --tls-ca")],
)  # fmt: skip
def test_options_that_do_not_go_together_are_called_by_their_names(
    hotswap: Command, given: list[str], says: str
) -> None:
    done = hotswap("predict", "127.0.0.1:1", "a.jpg", *given)
    assert done.code == 2
    assert says in error_line(done) and "`" not in error_line(done)


def test_a_closed_server_answers_who_shows_what_it_wants(hotswap: Command, images: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, client = authority.pair("server", "127.0.0.1"), authority.pair("client")
    tokens = tmp_path / "tokens"
    tokens.write_text("a" * 32)
    (tmp_path / "models").mkdir()
    drop(tmp_path / "models", "ant")
    options = ["--tls-cert", str(server.certificate), "--tls-key", str(server.key), "--token-file", str(tokens)]
    image, ca = str(images / "b.jpg"), ["--tls-ca", str(authority.certificate)]
    mine = ["--tls-cert", str(client.certificate), "--tls-key", str(client.key)]
    with running_server(tmp_path, *options, "--tls-client-ca", str(authority.certificate)) as closed:
        shown = [*ca, *mine, "--token-file", str(tokens)]
        assert hotswap("predict", closed.grpc, image, *shown).out.startswith("ant 0.9933")
        for missing, says in (
            ([*ca, *mine], "wants a token"),
            ([*ca, "--token-file", str(tokens)], "want a client's certificate, give --tls-cert and --tls-key"),
            (["--token-file", str(tokens)], "give --tls-ca"),
        ):
            done = hotswap("predict", closed.grpc, image, *missing)
            assert says in error_line(done)
            assert done.code == 1 and len(done.err.splitlines()) == 1
        (tmp_path / "none").write_text("")
        assert hotswap("predict", closed.grpc, image, "--token-file", str(tmp_path / "none")).code == 2


def test_a_handshake_that_fails_is_one_line_in_a_process_of_its_own(
    server: RunningServer, images: Path, tmp_path: Path
) -> None:
    authority = str(Authority(tmp_path).certificate)
    done = run_hotswap(server.grpc, str(images / "b.jpg"), "--tls-ca", authority)
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert "speaks no TLS" in line


def test_a_token_that_would_travel_in_plain_text_is_warned_of(hotswap: Command, images: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("a" * 32)
    done = hotswap("predict", "nowhere.invalid:1", str(images / "b.jpg"), "--token-file", "tokens")
    assert done.err.splitlines()[0].startswith("warning: the token goes to nowhere.invalid:1 in plain text")
