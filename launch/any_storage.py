"""Every storage that the job reads, for commands that read a file or two."""

from __future__ import annotations

from models.storage import Storage
from models.storage.schemes import AnyStorage


def any_storage() -> AnyStorage:
    """Everything that the job reads; Beam is imported where a scheme other than `gs://` asks for it."""

    def beam() -> Storage:
        from transforms.beam_storage import BeamStorage

        return BeamStorage()

    return AnyStorage(beam)
