"""The server is measured by a real run, with tiny models. Nothing here looks at how long anything took."""

from __future__ import annotations

import io
import sys
from collections import Counter
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.family import Held
from benchmarks.server.asking import Asked, read_answer, request_bytes
from benchmarks.server.environments import PeerMissing
from benchmarks.server.measure import BARE, Level, ServerExtent, ServerReport, Turn, measure_server
from benchmarks.server.report import left_over, server_tables, server_targets
from benchmarks.server.servers import KINDS, MLSERVER, MLSERVER_BATCHING, OURS, Kind, Server
from benchmarks.server.swaps import Span, SwapsReport, known_answers
from serving.messages.pool import message
from tests.model_files import tiny_classifier
from tests.sample_images import encoded, photo


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = [tmp_path / "china.jpg", tmp_path / "flower.jpg"]
    for path in paths:
        path.write_bytes(encoded(photo(path.name), "JPEG"))
    return [str(path) for path in paths]


def test_a_server_is_asked_swapped_and_never_fails(tmp_path: Path, images: list[str]) -> None:
    models = {
        f"mobilenet_{name}": tiny_classifier(tmp_path / f"{name}.onnx", favours=favours)
        for favours, name in enumerate("ab")
    }
    extent = ServerExtent({"tiny": ("mobilenet_a", 0.2)}, (1, 2), 1, (OURS,), swaps=2, quiet_seconds=0.5)
    report = measure_server(extent, models, images, tmp_path, lambda _: None)
    assert [(level.kind, level.arm, level.clients) for level in report.levels] == [
        (kind, arm, clients) for kind in KINDS for arm, clients in ((OURS, 1), (OURS, 2), (BARE, 0))
    ]
    for level in report.levels:
        assert level.rate() > 0
        assert not level.failures
        assert level.arm == BARE or level.memory.rss >= level.memory.pss > 0
    assert report.swaps is not None
    assert report.swaps.swaps == 2
    assert report.swaps.answers > 0
    assert (report.swaps.failures, report.swaps.untrue) == ({}, 0)


def test_two_models_of_known_answers_are_told_apart(tmp_path: Path, images: list[str]) -> None:
    known = [known_answers(tiny_classifier(tmp_path / f"{n}.onnx", favours=n), images, tmp_path / "c") for n in (0, 2)]
    assert known[0][0] != known[1][0]
    assert [[index for index, _ in answers] for _, answers in known] == [[0, 0], [2, 2]]


def test_a_request_holds_the_file_and_an_answer_is_read_in_both_of_its_forms(images: list[str]) -> None:
    first, second = request_bytes(Asked("m", "images", images, (1, 1)))
    request = message("inference.ModelInferRequest").FromString(first)
    assert (request.model_name, list(request.inputs[0].shape)) == ("m", [1, 1])
    assert request.raw_input_contents[0][4:] == Path(images[0]).read_bytes()
    assert first != second
    response = message("inference.ModelInferResponse")()
    scores = response.outputs.add(name="scores", datatype="FP32", shape=[1, 3])
    scores.contents.fp32_contents.extend([0.25, 0.5, 0.25])
    assert read_answer(response.SerializeToString()).class_index == 1
    scores.ClearField("contents")
    response.raw_output_contents.append(b"\0\0\0\0\0\0\0\0\0\0\x80?")
    assert read_answer(response.SerializeToString()).class_index == 2
    with pytest.raises(ValueError, match="without scores"):
        read_answer(b"")
    with pytest.raises(ValueError, match="not a response"):
        read_answer(b"\xff")


def test_a_server_that_ends_is_left_out_with_its_reason(tmp_path: Path) -> None:
    models: dict[Kind, str] = dict.fromkeys(KINDS, "m")
    with pytest.raises(PeerMissing, match=r"MLServer ended with 3; see .*log\.txt"):
        Server(MLSERVER, [sys.executable, "-c", "raise SystemExit(3)"], tmp_path, 1, models)


def test_the_targets_are_held_against_the_best_of_mlservers_ways() -> None:
    span = Span(10, 0.01, 0.02)
    report = ServerReport(
        [
            _level(OURS, 32, rate=90.0, p99=0.2),
            _level(OURS, 1, rate=50.0, p99=0.013),
            _level(MLSERVER, 32, rate=30.0, p99=0.5),
            _level(MLSERVER_BATCHING, 32, rate=50.0, p99=0.1),
            _level(BARE, 0, rate=100.0, p99=0.01),
        ],
        swaps=SwapsReport(100, 45.0, 9000, {}, 0, span, span, span, 2.0, Held(100.0, 120.0), Held(120.0, 120.0)),
    )
    targets = {target.measure: (round(target.reached, 2), target.met) for target in server_targets(report)}
    wanted = {
        "server, m, JPEG: 32 clients, ours ÷ bare loop": (0.9, True),
        "server, m, JPEG, 32 clients: ours ÷ MLServer": (1.8, False),
        "server, m, JPEG, 32 clients: p99 ÷ MLServer's": (2.0, False),
        "server, m, JPEG: one client, p99 ÷ p99 of decoding and running": (1.3, True),
        "server: failed requests of all closed loops": (0, True),
        "server: memory (PSS) after the swaps ÷ before": (1.2, False),
    }
    assert targets.items() >= wanted.items()
    shown = io.StringIO()
    for table in server_tables(report):
        Console(file=shown, width=160).print(table)
    assert "around a swap" in shown.getvalue()


def test_what_the_clients_took_of_the_cores_is_no_fault_of_the_server() -> None:
    ours, bare = _level(OURS, 32, rate=50.0, p99=0.1), _level(BARE, 0, rate=100.0, p99=0.1)
    assert left_over(ours, bare) > 0.5


def _level(arm: str, clients: int, rate: float, p99: float) -> Level:
    return Level("m", "JPEG", arm, clients, [Turn(rate, 10.0, 0.5, [p99] * 4)], Held(1.0, 1.0), Counter())
