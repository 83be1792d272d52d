"""`hotswap-edge agent`: its options, and how it begins and ends."""

from __future__ import annotations

import argparse
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from edge.acquiring import Acquirer
from edge.agent import Agent, Terms
from edge.connections import is_of_this_machine
from edge.device_folder import DeviceFolder
from edge.fetching import Fetching
from edge.http_twin import HttpTwin
from edge.listening import Listener
from edge.steps import At
from edge.twin_source import TwinSource
from models.errors import KeyUnusable
from models.signatures.keys import checked_pem
from models.storage.local import read_start

if TYPE_CHECKING:  # it takes memory, and not every device trusts keys
    from models.signatures.bundles import DeviceKeys

IOT_HUB = "azure-iot:"
"""Stands for a server's address. Which hub it is, the connection string says."""
_MOST_KEY_BYTES = 1 << 20


def agent(arguments: argparse.Namespace, tell: Callable[[str], None], at: At, stop: threading.Event) -> str:
    """Runs the agent until it is to end.

    Args:
        arguments: as `edge.options` has them.
        tell: is given a line about each thing that happens.
        at: is told of steps.
        stop: set where it is to end.

    Returns:
        With `--once` why not all is as desired; "" where it is, and without.

    Raises:
        FolderTaken: another agent has the folder.
        AddressRefused: the token is not sent to such an address.
        KeyUnusable: a trusted key is none.
        OSError: the folder cannot be had.
    """
    keys = _trusted(arguments.trusted_key or [])
    with ExitStack() as left:
        source = left.enter_context(closing(_source(arguments)))
        folder = left.enter_context(closing(DeviceFolder(arguments.folder, at)))
        fetching = Fetching(arguments.ca, arguments.insecure, is_of_this_machine(arguments.server))
        acquirer = Acquirer(folder, fetching, keys, at=at)
        if keys is None and not arguments.once:
            tell(f"no --trusted-key: whoever runs {arguments.server} chooses the model")
        terms = Terms(arguments.every, arguments.trial)
        agent = Agent(Listener(source, terms.every, tell), folder, acquirer, terms, tell, stop, at)
        if arguments.once:
            agent.turn()
            return agent.why_not()
        agent.run()
    return ""


def _source(arguments: argparse.Namespace) -> TwinSource:
    """Whoever knows what is desired: the one place where that is chosen."""
    if arguments.server == IOT_HUB:
        from edge.azure_twin import AzureTwin

        # Its client's own threads warn of what is told here in a line.
        for name in ("azure.iot.device", "paho"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        return AzureTwin(arguments.device, arguments.token_file)
    return HttpTwin(arguments.server, arguments.device, arguments.token_file, arguments.ca, arguments.insecure)


def _trusted(files: list[Path]) -> DeviceKeys | None:
    if not files:
        return None
    from models.signatures.bundles import DeviceKeys

    return DeviceKeys([checked_pem(str(path), _text(path)) for path in files])


def _text(path: Path) -> str:
    try:
        return read_start(path, _MOST_KEY_BYTES).decode("ascii")
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise KeyUnusable(f"{path} is no public key and no certificate in PEM") from error
