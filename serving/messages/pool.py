"""Classes of the published messages.

They live in a pool of their own, so that they need neither TensorFlow nor its memory, and meet no other definitions
that a process may hold.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from serving.messages import PUBLISHED

POOL = DescriptorPool()
"""Every definition there is."""
for _file in FileDescriptorSet.FromString(PUBLISHED.read_bytes()).file:
    POOL.AddSerializedFile(_file.SerializeToString())


def message(name: str) -> Any:
    """The class of a message, by its full name.

    Raises:
        KeyError: there is none.
    """
    return GetMessageClass(POOL.FindMessageTypeByName(name))
