"""`hotswap serve` before it serves: what its help says, and what it bounds."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import typer

from tests.end_to_end.telling_models import drop
from tests.serving.running_server import running_server
from tests.serving.told_metrics import metric


def help_of(verb: str) -> str:
    """All that a verb says of itself and of its options."""
    command = typer.main.get_command(importlib.import_module(f"launch.commands.{verb}").app)
    words = [command.help or "", *(getattr(each, "help", None) or "" for each in command.params)]
    return "\n".join(words)


@pytest.mark.parametrize("of_a_stream", ["bundle", "dead letter", "Dataflow", "Pub/Sub", "worker"])
def test_the_help_of_a_server_does_not_speak_of_a_stream(of_a_stream: str) -> None:
    assert of_a_stream.lower() not in help_of("serve").lower()


def test_the_help_says_how_a_server_is_ended() -> None:
    assert "Ctrl-C" in help_of("serve") and "SIGTERM" in help_of("serve")


def test_a_request_that_may_come_has_room(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    drop(tmp_path / "models", "ant")
    largest = 300 << 20
    with running_server(tmp_path, "--max-message-bytes", str(largest)) as server:
        assert metric(server.http, "hotswap_queue_bytes_limit") >= 2 * largest
