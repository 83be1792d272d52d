"""The shelf of models, as the page asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.storage.schemes import AnyStorage
from studio.places import Places
from studio.shelf.known_models import KnownModels
from studio.shelf.uploads import Uploads
from studio.store.records import Accuracy


class ModelShelf:
    """The models of one studio: what `hotswap models`, `rollback`, `vet` and `publish` do, by the same functions.

    Threads may ask side by side. Methods block, for milliseconds but where a file is copied.

    Args:
        places: where models, their registry and uploads are; uploads that an earlier run left go.
    """

    def __init__(self, places: Places) -> None:
        storage = AnyStorage()
        self._known = KnownModels(places, storage)
        self._uploads = Uploads(places, storage)

    def models(self, accuracies: Sequence[Accuracy] = ()) -> dict[str, Any]:
        """What the registry knows of the models, and what was live when; nothing is vetted for it.

        Args:
            accuracies: how many corrected drawings each model reads right, as far as that is known.

        Returns:
            `models`, newest first: `model_id`, `file`, `name`, `version`, `standing` (`live`, `valid`, `rejected` or
            `undecided`), `reason` in one line, `tags` by key, `card`, `modified` (RFC 3339 in UTC) and `size` in bytes
            (both null where a live model's file is gone), `engine` and `accuracy`, null where nothing is known of it.
            `history`, the latest change first: `epoch`, `model_id`, `name`, `since`, `until`, `why` and `by`.

        Raises:
            StudioRefused: NOT_POSSIBLE; the folder or the registry cannot be read.
        """
        self._uploads.tidy()
        return self._known.to_json(accuracies)

    def roll_back(self, model_id: str) -> str:
        """Makes an earlier model live again; every reader follows, and the history tells who did it.

        Returns:
            The model_id that will be live.

        Raises:
            StudioRefused: NOT_POSSIBLE or DISK_FULL; the model stays as it is.
        """
        return self._known.roll_back(model_id)

    def take_upload(self, name: str, file: Path) -> str:
        """Takes a model file in and has it vetted in the confined child, in its turn.

        Args:
            name: as its uploader calls it; hostile.
            file: is moved; it stays where it is refused.

        Returns:
            The upload's id.

        Raises:
            StudioRefused: BAD_REQUEST, BUSY, DISK_FULL or NOT_POSSIBLE.
        """
        return self._uploads.take(name, file)

    def upload(self, id: str) -> dict[str, Any]:
        """An upload: `upload`, `name`, `state` (`vetting`, `accepted`, `rejected` or `failed`), `reason`, `detail`.

        And `seconds` since it was taken in, until it was vetted; `model` is as one of `models`, null unless accepted.

        Raises:
            StudioRefused: NOT_FOUND.
        """
        return self._uploads.to_json(id)

    def publish_upload(self, id: str) -> str:
        """Publishes the very bytes that were vetted, under a name of their own and in one step.

        Returns:
            The model_id that results will bear; the same where it was published already.

        Raises:
            StudioRefused: NOT_FOUND, NOT_POSSIBLE or DISK_FULL; nothing was published.
        """
        return self._uploads.publish(id)

    def drop_upload(self, id: str) -> None:
        """Takes an upload back, and ends its vetting.

        Raises:
            StudioRefused: NOT_FOUND.
        """
        self._uploads.drop(id)

    def close(self) -> None:
        """Ends a vetting that is under way; uploads go."""
        self._uploads.close()
