"""A client of the server: images in, answers out, each with the id of the model that gave it.

with Client("127.0.0.1:8500") as client:
    for answer in client.predict([Path("cat.jpg").read_bytes()]):
        print(answer.model_id, answer)
"""

from serving.client.client import IN_FLIGHT, Client, VersionStatus
from serving.client.errors import (
    AccessDenied,
    Busy,
    Failed,
    ImageRefused,
    NoSuchModel,
    NotReady,
    ServerError,
    SettingsUnusable,
    TlsMismatch,
    TooLate,
    Unreachable,
)
from serving.client.predicted import Classified, Detected, Measured, MultiLabelled, Predicted, Segmented

__all__ = [
    "IN_FLIGHT",
    "AccessDenied",
    "Busy",
    "Classified",
    "Client",
    "Detected",
    "Failed",
    "ImageRefused",
    "Measured",
    "MultiLabelled",
    "NoSuchModel",
    "NotReady",
    "Predicted",
    "Segmented",
    "ServerError",
    "SettingsUnusable",
    "TlsMismatch",
    "TooLate",
    "Unreachable",
    "VersionStatus",
]
