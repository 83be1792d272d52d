"""The emulator starts and stops cleanly, in this process and as a command of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest
from google.cloud import pubsub_v1

from launch.pubsub_emulator import EmulatorError, PubSubEmulator
from tests.launch.pubsub_emulator.pubsub_clients import PATIENCE_SECONDS, SUBSCRIPTION, TOPIC
from tests.waiting import eventually


def test_a_port_in_use_is_said_in_one_line(emulator) -> None:
    port = int(emulator.address.rpartition(":")[2])

    with pytest.raises(EmulatorError, match="in use") as refused:
        PubSubEmulator(port).start()
    assert "\n" not in str(refused.value)


def test_a_stopped_emulator_frees_its_port_and_its_threads_and_can_be_stopped_again() -> None:
    with PubSubEmulator() as first:
        port = int(first.address.rpartition(":")[2])
    first.stop()
    eventually(
        lambda: not any(thread.name.startswith("pubsub-emulator") for thread in threading.enumerate()),
        "its threads to end",
    )

    with PubSubEmulator(port) as second:
        assert second.address == first.address
    with pytest.raises(EmulatorError, match="starts once"):
        second.start()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(ending, monkeypatch) -> None:
    command = [sys.executable, "-m", "launch.pubsub_emulator", "--port=0"]
    command += [f"--topic={TOPIC}", f"--subscription={SUBSCRIPTION}={TOPIC}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ready = process.stderr.readline()
        assert ready.startswith("ready: PUBSUB_EMULATOR_HOST=127.0.0.1:")
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", ready.strip().partition("=")[2])
        with pubsub_v1.SubscriberClient() as subscriber:
            assert subscriber.get_subscription(subscription=SUBSCRIPTION).topic == TOPIC
        os.kill(process.pid, ending)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--no-such-option"], "--no-such-option"),
        (["--port=many"], "--port"),
        (["--topic=images"], "'images'"),
        (["--port={taken}"], "{taken}"),
        (["--port=0", f"--subscription={SUBSCRIPTION}={TOPIC}"], f"topic {TOPIC} does not exist"),
    ],
)
def test_a_command_that_cannot_begin_says_why_in_one_line(arguments, named, emulator) -> None:
    taken = emulator.address.rpartition(":")[2]
    command = [
        sys.executable,
        "-m",
        "launch.pubsub_emulator",
        *(each.format(taken=taken) for each in arguments),
    ]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)

    assert ended.returncode == 2
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert named.format(taken=taken) in line
