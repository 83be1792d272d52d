"""One storage for the commands: local paths, `gs://`, and for reading whatever else Beam reads."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from launch.command_line import LaunchFailed
from models.publishing import publish_locally
from models.storage import LocalStorage, ReadableFile, Storage, StoredFile

if TYPE_CHECKING:  # at run time only where a URI asks for it: Google's client and Beam take seconds to import
    from launch.cloud_storage import CloudStorage

Watched = Callable[[Path], BinaryIO]
"""Opens a file such that what is read of it is shown to the user."""


class ModelStorage:
    """Where models are, told apart by the scheme of their URI. Connects when first asked."""

    def __init__(self) -> None:
        self._local = LocalStorage()

    def list(self, pattern: str) -> list[StoredFile]:
        """See `models.storage.Storage.list`."""
        return self._of(pattern).list(pattern)

    def open(self, uri: str) -> ReadableFile:
        """See `models.storage.Storage.open`."""
        return self._of(uri).open(uri)

    def exists(self, uri: str) -> bool:
        """Whether there is a file of this name now.

        Raises:
            LaunchError: there are no credentials.
            StorageUnavailable: the storage gave no answer.
        """
        return self._cloud.exists(uri) if uri.startswith("gs://") else os.path.lexists(uri)

    def put(self, source: Path, uri: str, told: Callable[[int], None], watched: Watched) -> None:
        """Copies a file to a new name in one step; no file is ever replaced.

        Args:
            source: the file.
            uri: its new name.
            told: called with the bytes written, for a local copy.
            watched: opens the source, for an upload.

        Raises:
            NameTaken: another file took the name first.
            LaunchFailed: it could not be written.
        """
        if uri.startswith("gs://"):
            with watched(source) as reading:
                self._cloud.upload(source, reading, uri)
            return
        try:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
            publish_locally(source, uri, told)
        except OSError as error:
            raise LaunchFailed(f"{uri} cannot be written: {error.strerror or error}") from error

    def make_newest(self, file: StoredFile, above: float) -> None:
        """Makes a file the newest of its pattern without changing its name or bytes, so that its `model_id` stays.

        A copy under a new name would do as well, but its `model_id` would be another, and where the model is still
        resident the job would be told to serve a new one. Setting a time is one step that cannot be half done.

        Args:
            file: as it was listed; if it has changed since, nothing happens.
            above: the newest modification time in the pattern, seconds since the epoch.

        Raises:
            LaunchFailed: it has changed, is gone, or may not be touched.
        """
        if file.uri.startswith("gs://"):
            self._cloud.make_newest(file)
        elif "://" in file.uri:
            raise LaunchFailed(f"{file.uri} cannot be made the newest; local files and gs:// can")
        else:
            _touch(file, above)

    def _of(self, uri: str) -> Storage:
        if "://" not in uri:
            return self._local
        if uri.startswith("gs://"):
            return self._cloud
        from transforms.beam_storage import BeamStorage

        return BeamStorage()

    @cached_property
    def _cloud(self) -> CloudStorage:
        from launch.cloud_storage import CloudStorage

        return CloudStorage.connect()


def _touch(file: StoredFile, above: float) -> None:
    now = time.time()
    # A file of this folder may bear a time to come, from a machine whose clock is ahead.
    times = None if now > above else (now, above + 1.0)
    try:
        # The open file is the one that is compared and touched, whatever takes its name meanwhile.
        descriptor = os.open(file.uri, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime) != (file.size, file.modified):
                raise LaunchFailed(f"{file.uri} changed meanwhile, and was left alone; look again and repeat")
            os.utime(descriptor if os.utime in os.supports_fd else file.uri, times)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LaunchFailed(
            f"{file.uri} cannot be made the newest: {error.strerror or error}; publish it again instead"
        ) from error
