"""Whatever strangers name, it stays on its line and moves no cursor: in logs, on terminals and in JSON."""

from __future__ import annotations

import io
import json
import logging

import pytest
from rich.table import Table

from launch.printing import PlainConsole, say
from models.events import ModelEvent
from models.printable import json_text, logger, printable
from models.records import encode

LIES = "m\x1b[2J\nlive  other\u2028\x85\x9b31m\u202e.h5"
SHOWN = "m\\x1b[2J\\nlive  other\\u2028\\x85\\x9b31m\\u202e.h5"


def test_what_cannot_be_printed_is_shown_as_an_escape() -> None:
    assert printable(LIES) == SHOWN
    assert printable("größe 画像.png") == "größe 画像.png"


def test_what_is_put_into_a_log_message_is_printable(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger("hotswap.test").info("%s after %.1f s: %s", LIES, 1.25, ValueError(LIES))
    assert caplog.records[-1].getMessage() == f"{SHOWN} after 1.2 s: {SHOWN}"


@pytest.mark.parametrize("markup", [True, False])
def test_what_is_printed_on_a_terminal_is_printable_in_tables_too(markup: bool) -> None:
    console = PlainConsole(file=io.StringIO(), width=200, force_terminal=True, color_system=None, markup=markup)
    console.print(LIES.replace("[", "("), soft_wrap=True)
    table = Table("file")
    table.add_row(LIES.replace("[", "("))
    console.print(table)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert printed.count(SHOWN.replace("[", "(")) == 2
    assert not {"\x1b", "\u2028", "\x85", "\x9b"} & set(printed)


def test_a_line_that_is_said_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(LIES)
    say(LIES, stderr=True)
    assert capsys.readouterr() == (f"{SHOWN}\n", f"{SHOWN}\n")


def test_json_is_one_line_to_every_reader_and_says_the_same() -> None:
    event = encode(ModelEvent("rejected", LIES, "größe", "half a character: \udc80"))
    assert len(event.decode().splitlines()) == 1
    assert json.loads(event)["model_id"] == LIES
    assert "größe".encode() in event
    assert json.loads(json_text({"a": [LIES, "𝕏\U000e0001"]}, indent=2)) == {"a": [LIES, "𝕏\U000e0001"]}
