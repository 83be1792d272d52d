"""A subscriber of an emulator that takes messages of any size: Pub/Sub's own limit is 10 MB, and gRPC's is 4 MiB."""

from __future__ import annotations

import os
from typing import Any

import grpc
from google.cloud import pubsub_v1
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from transforms.pubsub import EMULATOR_VARIABLE

_OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))


class AnySizeSubscriber(pubsub_v1.SubscriberClient):
    """Google's client. It lifts gRPC's limit itself, but for emulators: there one message above it would fail each
    pull that it comes in, and take the others of that pull with it.

    Args:
        given: as Google's own takes it.
    """

    def __init__(self, **given: Any) -> None:
        emulator = os.environ.get(EMULATOR_VARIABLE)
        if emulator and "transport" not in given:
            channel = grpc.insecure_channel(emulator, _OPTIONS)
            given["transport"] = SubscriberGrpcTransport(host=emulator, channel=channel)
        super().__init__(**given)
