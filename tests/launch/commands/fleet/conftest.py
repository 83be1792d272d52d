"""The commands about a fleet, on a database in a folder of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleet.fleet import Fleet
from tests.launch.commands.fleet.telling import DATABASE
from tests.launch.commands.hotswap_command import Command, Outcome

FleetCommand = Callable[..., Outcome]


@pytest.fixture
def fleet_command(hotswap: Command) -> FleetCommand:
    """Runs `hotswap fleet` with the database of this folder."""
    return lambda *arguments: hotswap("fleet", *arguments, "--database", DATABASE)


@pytest.fixture
def told(fleet_command: FleetCommand) -> Callable[..., Any]:
    """Runs a command that succeeds, with `--json`, and gives its document."""

    def run(*arguments: str) -> Any:
        outcome = fleet_command(*arguments, "--json")
        assert outcome.code == 0, outcome.err
        return json.loads(outcome.out)

    return run


@pytest.fixture
def fleet(hotswap: Command) -> Iterator[Fleet]:
    """The same fleet, open as a server has it."""
    with Fleet(DATABASE) as opened:
        yield opened
