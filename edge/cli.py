"""`hotswap-edge`: what people and service managers type on a device."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from edge.ending import ended_by_signals
from edge.options import USAGE_ERROR, parser
from edge.steps import At
from models.errors import CacheUnusable, KeyUnusable, NoModelAnswers, one_line, typed_line
from models.printable import printable

OK, FAILED = 0, 1


def main(argv: Sequence[str] | None = None, at: At = lambda step: None) -> int:
    """The entry point `hotswap-edge`; answers the exit code.

    Args:
        argv: what follows the program's name; the process' own where None.
        at: is told of the agent's steps.
    """
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        match arguments.verb:
            case "agent":
                return _agent(arguments, at)
            case "run":
                return _run(arguments)
            case _:
                return _of_folder(arguments)
    except BrokenPipeError:  # whoever read along has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CacheUnusable, KeyUnusable, NoModelAnswers, OSError) as error:
        return _failed(str(error))
    except Exception as error:  # a surprise is one line too
        return _failed(f"this should not happen, please report it: {typed_line(error)}")


# Each verb imports what it needs: an idle agent holds no library for images, and a runner none for the network.


def _agent(arguments: argparse.Namespace, at: At) -> int:
    # With `--once` an end that somebody asked for is none at which all is known to be as desired.
    why_not = "it was told to end before it had looked; the next one goes on" if arguments.once else ""
    with ended_by_signals() as stop:
        from edge.agent_command import agent
        from edge.connections import AddressRefused
        from edge.device_folder import FolderTaken

        try:
            why_not = agent(arguments, _tell, at, stop)
        except AddressRefused as error:
            return _failed(str(error), USAGE_ERROR)
        except FolderTaken as error:
            return _failed(str(error))
    return _failed(why_not) if why_not else OK


def _run(arguments: argparse.Namespace) -> int:
    from edge.run_command import RunFailed, run

    if not arguments.images.is_dir():
        return _failed(f"there is no folder {arguments.images}", USAGE_ERROR)
    try:
        run(arguments, _say, _tell)
    except RunFailed as error:
        return _failed(str(error)) if str(error) else FAILED
    return OK


def _of_folder(arguments: argparse.Namespace) -> int:
    from edge.device_state import StateUnreadable
    from edge.folder_commands import retry, status

    try:
        if arguments.verb == "status":
            _say(status(arguments.folder, arguments.json))
        else:
            retry(arguments.folder)
            _say("the agent tries again what it gave up: at its next poll, or as it starts")
    except FileNotFoundError:
        return _failed(f"{arguments.folder} is no folder of an agent; hotswap-edge agent --folder makes one")
    except StateUnreadable as error:
        return _failed(f"what {arguments.folder} says cannot be read: {error}; its agent makes it anew")
    return OK


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def _failed(message: str, code: int = FAILED) -> int:
    print(f"error: {printable(one_line(message, 1000))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
