"""The options of `hotswap-edge`, by verb; nothing else of it is imported for them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

from models.printable import printable
from models.version import VERSION

USAGE_ERROR = 2
DEFAULT_INTERVAL, DEFAULT_EVERY, DEFAULT_TRIAL = 10.0, 60.0, 300.0
_LONGEST_IDENTITY = 128
_LEAST_SECONDS, _MOST_SECONDS = 0.1, 1e9


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"error: {printable(message)}; {self.prog} --help tells more\n")


def parser() -> argparse.ArgumentParser:
    """What reads a command line; `verb` tells which."""
    whole = _Parser(prog="hotswap-edge", description="Image models on a device, replaced while they run.")
    whole.add_argument("--version", action="version", version=f"hotswap-edge {VERSION}")
    verbs = whole.add_subparsers(required=True, metavar="COMMAND", dest="verb", parser_class=_Parser)
    run = verbs.add_parser("run", help="classify a folder of images", description="Classifies a folder of images.")
    _add_of_run(run)
    agent = verbs.add_parser(
        "agent",
        help="keep a component at what the fleet desires",
        description="Keeps DIR/current at what is desired of this device: verified, probed, and back where it fails.",
    )
    _add_of_agent(agent)
    status = verbs.add_parser(
        "status",
        help="what an agent's folder holds",
        description="Tells what is desired, what runs, what failed.",
    )
    _add_folder(status)
    status.add_argument("--json", action="store_true", help="for programs: one object")
    retry = verbs.add_parser(
        "retry",
        help="have the agent try again what it gave up",
        description="Has the folder's agent try again what it gave up, at its next poll or as it starts.",
    )
    _add_folder(retry)
    return whole


def _add_folder(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the agent's")


def _add_of_run(run: argparse.ArgumentParser) -> None:
    run.add_argument(
        "--component",
        type=Path,
        required=True,
        metavar="PATH",
        help="what `hotswap package` made: the ZIP, the folder that it unpacks to, or a link to either",
    )
    run.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG, PNG, and .npy of uint8 HxWx3")
    run.add_argument(
        "--interval",
        type=_seconds,
        default=DEFAULT_INTERVAL,
        metavar="SECONDS",
        help=f"between two looks at the folder ({DEFAULT_INTERVAL:.0f}); 0: go through it once, and end",
    )
    run.add_argument("--output", type=Path, metavar="FILE", help="append results as JSON lines")
    run.add_argument(
        "--dead-letters",
        type=Path,
        metavar="FILE",
        help="append what could not be predicted as JSON lines; with the results unless given",
    )
    run.add_argument("--again", action="store_true", help="each round goes through all images, not the new ones alone")


def _add_of_agent(agent: argparse.ArgumentParser) -> None:
    agent.add_argument(
        "--server", required=True, metavar="URL", help="of the fleet, https://HOST:PORT; or `azure-iot:`"
    )
    agent.add_argument(
        "--device", type=_identity, required=True, metavar="ID", help="this device's identity in the fleet"
    )
    agent.add_argument(
        "--token-file", type=Path, required=True, metavar="FILE", help="what `hotswap fleet add` wrote for it"
    )
    agent.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="its link `current` leads to what is desired"
    )
    agent.add_argument(
        "--every",
        type=_some_seconds,
        default=DEFAULT_EVERY,
        metavar="SECONDS",
        help=f"between two polls, about ({DEFAULT_EVERY:.0f})",
    )
    agent.add_argument(
        "--once", action="store_true", help="poll once, do what follows from it, and end: 0 where all is as desired"
    )
    agent.add_argument(
        "--trial",
        type=_some_seconds,
        default=DEFAULT_TRIAL,
        metavar="SECONDS",
        help=f"in which what is new gives way where it crashes or fails ({DEFAULT_TRIAL:.0f})",
    )
    agent.add_argument(
        "--trusted-key",
        type=Path,
        action="append",
        metavar="FILE",
        help="a public key or an authority's certificate in PEM, by which components must be signed; may be repeated",
    )
    agent.add_argument(
        "--ca", type=Path, metavar="FILE", help="certificates of authorities in PEM, in place of the system's"
    )
    agent.add_argument(
        "--insecure", action="store_true", help="let http:// be of other machines: whoever listens has the token"
    )


def _identity(text: str) -> str:
    if not 0 < len(text) <= _LONGEST_IDENTITY or not text.isprintable():
        raise argparse.ArgumentTypeError(f"1 to {_LONGEST_IDENTITY} characters that can be printed are expected")
    return text


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError("0 or more seconds are expected")
    return seconds


def _some_seconds(text: str) -> float:
    seconds = float(text)
    if not _LEAST_SECONDS <= seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{_LEAST_SECONDS} or more seconds are expected")
    return seconds
