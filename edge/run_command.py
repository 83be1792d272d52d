"""`hotswap-edge run`: how it begins and ends."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edge.device_models import DeviceModels
from edge.image_files import ImageFolder
from edge.running import Records, Runner
from models.registry.cache import cache_of_user

_LOOK_SECONDS = 0.2


class RunFailed(Exception):  # noqa: N818 - named for the state it reports
    """A single round did not come to its end; the text says why, on one line, unless that was told before."""


def run(arguments: argparse.Namespace, say: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Classifies a folder until it is to end, or once.

    Args:
        arguments: as `edge.options` has them.
        say: prints a line of an answer.
        tell: prints a line about what goes wrong.

    Raises:
        RunFailed: the single round did not come to its end.
        CacheUnusable, NoModelAnswers, OSError: it cannot go on.
    """
    with _told_by_us(), _until_told() as stop, DeviceModels(arguments.component, cache_of_user(), tell) as models:
        records = Records(arguments.output, arguments.dead_letters)
        images = ImageFolder(arguments.images, arguments.again)
        runner = Runner(images, models, records, say, tell, stop)
        if arguments.interval == 0:
            _once(arguments.component, models, runner, stop)
            return
        models.follow()
        threading.Thread(target=_end_soon, args=[models, stop], daemon=True).start()
        runner.run(arguments.interval)


@contextmanager
def _told_by_us() -> Iterator[None]:
    """`DeviceModels` tells what `LiveModels` logs. A program that calls this has its own level back."""
    logger = logging.getLogger("models.live")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


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


def _once(component: Path, models: DeviceModels, runner: Runner, stop: threading.Event) -> None:
    refusal = models.look()
    if refusal is not None:
        raise RunFailed(f"{component} is not taken: {refusal}")
    threading.Thread(target=_end_soon, args=[models, stop], daemon=True).start()
    while not stop.is_set() and not models.live.await_any(_LOOK_SECONDS):
        if models.tell_events():
            raise RunFailed
    models.tell_events()
    if not runner.once() and not stop.is_set():
        raise RunFailed


def _end_soon(models: DeviceModels, stop: threading.Event) -> None:
    """An image whose model hangs is not waited for once the program is to end."""
    stop.wait()
    models.end_soon()
