"""`hotswap-edge`: what people and service managers type on a device."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from edge.device_models import DeviceModels
from edge.image_files import ImageFolder
from edge.running import Records, Runner
from models.errors import CacheUnusable, NoModelAnswers, one_line
from models.printable import printable
from models.registry.cache import cache_of_user
from models.version import VERSION

OK, FAILED, USAGE_ERROR = 0, 1, 2
DEFAULT_INTERVAL = 10.0
_LOOK_SECONDS = 0.2


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE_ERROR, f"error: {printable(message)}; {self.prog} --help tells more\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point `hotswap-edge`; answers the exit code.

    Args:
        argv: what follows the program's name; the process' own where None.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    told_by_us = logging.getLogger("models.live")  # `DeviceModels` tells the same
    level = told_by_us.level
    told_by_us.setLevel(logging.ERROR)
    try:
        return _run(arguments)
    except BrokenPipeError:  # whoever read along has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CacheUnusable, NoModelAnswers, OSError) as error:
        return _failed(str(error))
    finally:
        told_by_us.setLevel(level)  # of whoever called this from a program of theirs


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hotswap-edge", description="Image models on a device, replaced while they run.")
    parser.add_argument("--version", action="version", version=f"hotswap-edge {VERSION}")
    verbs = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    run = verbs.add_parser("run", help="classify a folder of images", description="Classifies a folder of images.")
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
    return parser


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 1e9:
        raise argparse.ArgumentTypeError("0 or more seconds are expected")
    return seconds


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.images.is_dir():
        return _failed(f"there is no folder {arguments.images}", USAGE_ERROR)
    with _until_told() as stop, DeviceModels(arguments.component, cache_of_user(), _tell) as models:
        records = Records(arguments.output, arguments.dead_letters)
        images = ImageFolder(arguments.images, arguments.again)
        runner = Runner(images, models, records, _say, _tell, stop)
        if arguments.interval == 0:
            return _once(arguments.component, models, runner, stop)
        models.follow()
        threading.Thread(target=_end_soon, args=[models, stop], daemon=True).start()
        runner.run(arguments.interval)
    return OK


@contextmanager
def _until_told() -> Iterator[threading.Event]:
    """Yields what is set once the process is asked to end."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        stop.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _once(component: Path, models: DeviceModels, runner: Runner, stop: threading.Event) -> int:
    refusal = models.look()
    if refusal is not None:
        return _failed(f"{component} is not taken: {refusal}")
    threading.Thread(target=_end_soon, args=[models, stop], daemon=True).start()
    while not stop.is_set() and not models.live.await_any(_LOOK_SECONDS):
        if models.tell_events():
            return FAILED
    models.tell_events()
    return OK if runner.once() or stop.is_set() else FAILED


def _end_soon(models: DeviceModels, stop: threading.Event) -> None:
    """An image whose model hangs is not waited for once the program is to end."""
    stop.wait()
    models.end_soon()


def _say(line: str) -> None:
    print(line, flush=True)


def _tell(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


def _failed(message: str, code: int = FAILED) -> int:
    print(f"error: {printable(one_line(message, 1000))}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
