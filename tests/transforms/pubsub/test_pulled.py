"""What a process pulls beside its job is held until it is taken, and taken once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from launch.pubsub_emulator import PubSubEmulator
from tests.launch.pubsub_emulator.pubsub_clients import SUBSCRIPTION, TOPIC
from tests.waiting import eventually
from transforms.pubsub.pulled import Pulled


@pytest.fixture
def pulled(emulator: PubSubEmulator) -> Iterator[Pulled]:
    made = Pulled(SUBSCRIPTION)
    yield made
    made.close()


def acknowledged(emulator: PubSubEmulator) -> int:
    return emulator.statistics(SUBSCRIPTION).acknowledged


def test_messages_are_held_in_order_until_they_are_taken(emulator: PubSubEmulator, pulled: Pulled) -> None:
    texts = [b"%d" % number for number in range(50)]
    for text in texts:
        emulator.publish(TOPIC, text, {"label": "7"})
    eventually(lambda: acknowledged(emulator) == len(texts), "every message to be held")

    taken = pulled.take()
    assert [(each.data, each.attributes) for each in taken] == [(text, {"label": "7"}) for text in texts]
    assert pulled.take() == []


def test_what_comes_after_the_end_stays_in_pubsub(emulator: PubSubEmulator, pulled: Pulled) -> None:
    emulator.publish(TOPIC, b"before")
    eventually(lambda: acknowledged(emulator) == 1, "the first message")
    pulled.close()
    emulator.publish(TOPIC, b"after")

    assert [each.data for each in pulled.take()] == [b"before"]
    assert acknowledged(emulator) == 1
