"""`python -m launch.pubsub_emulator`: the emulator alone, for any Pub/Sub client on this machine."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from launch.command_line import CommandRefused, run
from launch.pubsub_emulator.errors import EmulatorError
from launch.pubsub_emulator.server import PubSubEmulator
from transforms.pubsub import EMULATOR_VARIABLE

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8085,
    host: Annotated[str, typer.Option(help="The address to bind. There is no access control.")] = "127.0.0.1",
    topic: Annotated[list[str] | None, typer.Option(help="A topic to create: projects/P/topics/T. Repeatable.")] = None,
    subscription: Annotated[
        list[str] | None,
        typer.Option(help="A subscription to create: projects/P/subscriptions/S=projects/P/topics/T. Repeatable."),
    ] = None,
) -> None:
    """Run an in-memory Google Pub/Sub until SIGINT or SIGTERM."""
    # Blocked before any thread starts, so that all inherit it and the signal waits for sigwait below.
    stop_signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    emulator = PubSubEmulator(port, host=host)
    try:
        _create(emulator, topic or [], subscription or [])
        emulator.start()
    except EmulatorError as error:
        raise CommandRefused(str(error)) from error
    print(f"ready: {EMULATOR_VARIABLE}={emulator.address}", file=sys.stderr, flush=True)
    signal.sigwait(stop_signals)
    emulator.stop()


def _create(emulator: PubSubEmulator, topics: list[str], subscriptions: list[str]) -> None:
    for topic in topics:
        emulator.create_topic(topic)
    for pair in subscriptions:
        name, _, topic = pair.partition("=")
        emulator.create_subscription(name, topic)


if __name__ == "__main__":
    sys.exit(run(app))
