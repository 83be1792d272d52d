"""What `hotswap fleet` promises, whichever of its commands is called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from launch.commands.fleet import SUMMARIES
from tests.launch.commands.fleet.conftest import FleetCommand
from tests.launch.commands.hotswap_command import Command, error_line

ROOT = Path(__file__).parents[4]


def test_its_help_tells_every_command_in_the_order_of_their_use_and_imports_no_database() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "launch.cli", "fleet", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "launch.lazy_commands" in imported
    assert imported.isdisjoint({"sqlalchemy", "alembic", "numpy", "apache_beam", "starlette"})
    places = [done.stdout.index(summary) for summary in SUMMARIES.values()]
    assert places == sorted(places)


def test_every_file_is_a_command() -> None:
    files = {path.stem for path in (ROOT / "launch" / "commands" / "fleet").glob("*.py")} - {"__init__"}
    assert files == set(SUMMARIES)


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_command_has_help(hotswap: Command, name: str) -> None:
    outcome = hotswap("fleet", name, "--help")
    assert outcome.code == 0
    assert "--database" in outcome.out


@pytest.mark.parametrize(
    "arguments", [("list",), ("status",), ("remove", "a"), ("assign", "a", "--component", "m"), ("push", "m")]
)
def test_a_database_that_is_not_there_is_a_slip_of_the_pen(fleet_command: FleetCommand, arguments: tuple[str]) -> None:
    outcome = fleet_command(*arguments)
    assert outcome.code == 2
    assert "there is no database fleet.db" in error_line(outcome)
    assert not Path("fleet.db").exists()


@pytest.mark.parametrize(
    ("database", "code"),
    [("mysql://host/fleet", 2), ("postgresql://user:secret@127.0.0.1:1/fleet", 1), ("text.db", 1)],
)
def test_a_database_that_cannot_be_had_is_one_line_without_its_password(
    hotswap: Command, database: str, code: int
) -> None:
    Path("text.db").write_text("no database, but longer than a page's head of one hundred bytes" * 20)
    outcome = hotswap("fleet", "list", "--database", database)
    assert outcome.code == code
    assert "secret" not in error_line(outcome)
    assert len(outcome.err.splitlines()) == 1
