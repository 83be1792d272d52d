"""What the job would make of the files of a pattern: each one's verdict, and which of them is live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from models.artefacts import Vetted
from models.errors import ModelRejected, VettingFailed, one_line
from models.judging import VETTING_SIDE_BY_SIDE
from models.moments import rfc3339
from models.reference import DIGEST_DIGITS, file_name_of
from models.registry.records import Accepted
from models.storage import StoredFile, is_being_written
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter

Standing = Literal["live", "trial", "rolled_back", "valid", "rejected", "undecided"]
InTrials = Literal["", "trial", "rolled_back"]
"""Of a valid file: whether it is tried now, or was rolled back and is not tried again."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One file of a pattern, and what is known about it.

    Attributes:
        file: as it was listed.
        verdict: None where nothing could be found out.
        trouble: why not; of a valid file, what else keeps it from being live.
        in_trials: what trials make of it.
    """

    file: StoredFile
    verdict: Vetted | Accepted | ModelRejected | None
    trouble: str = ""
    in_trials: InTrials = ""

    @property
    def model_id(self) -> str:
        """URI and digest; the URI alone where the bytes could not be read whole."""
        match self.verdict:
            case Vetted(reference) | Accepted(reference):
                return reference.model_id
            case ModelRejected(model_id=str(model_id)):
                return model_id
            case _:
                return self.file.uri

    @property
    def digest(self) -> str:
        """The first 12 digits of the SHA-256; "" where the bytes could not be read whole."""
        return self.model_id.removeprefix(self.file.uri).removeprefix("@sha256:")

    @property
    def name(self) -> str:
        """The card's name, else the file name without its extension."""
        return self.verdict.name if isinstance(self.verdict, Vetted | Accepted) else file_name_of(self.file.uri)

    @property
    def accepted(self) -> Accepted | None:
        """What is told of a valid file."""
        match self.verdict:
            case Vetted():
                return Accepted.of(self.verdict)
            case Accepted():
                return self.verdict
            case _:
                return None

    @property
    def tags(self) -> tuple[str, ...]:
        """The card's; () where it has none, or is not known."""
        return self.accepted.tags if self.accepted else ()

    @property
    def version(self) -> str:
        """The card's; "" where it has none, or is not known."""
        return self.accepted.version if self.accepted else ""

    @property
    def reason(self) -> str:
        """Why it is rejected, why nothing is known, or what trials make of it; "" of another valid file."""
        return str(self.verdict) if isinstance(self.verdict, ModelRejected) else self.trouble

    def is_called(self, name: str) -> bool:
        """Whether `name` names the file: its URI, or its file name with or without the extension."""
        file_name = self.file.uri.rpartition("/")[2]
        return name in (self.file.uri, file_name, file_name_of(self.file.uri))

    def answers_to(self, name: str) -> bool:
        """Whether `name` names the file or its bytes: also a card's name, a `model_id` or a digest's first digits."""
        by_digest = (
            len(name) >= 6
            and bool(self.digest)
            and self.digest.startswith(name.removeprefix("sha256:")[:DIGEST_DIGITS])
        )
        return self.is_called(name) or name in (self.model_id, self.name) or by_digest


def standing_of(each: Surveyed, live: Surveyed | None) -> Standing:
    """What a file is to the job."""
    if each is live:
        return "live"
    match each.verdict:
        case None:
            return "undecided"
        case ModelRejected():
            return "rejected"
        case _:
            return each.in_trials or "valid"


def survey_as_json(surveyed: Sequence[Surveyed], live: Surveyed | None) -> list[dict[str, Any]]:
    """A survey, for programs; in the order given."""
    return [
        {
            "state": standing_of(each, live),
            "uri": each.file.uri,
            "model_id": each.model_id,
            "model_name": each.name,
            "version": each.version,
            "tags": list(each.tags),
            "reason": each.reason,
            "modified": rfc3339(datetime.fromtimestamp(each.file.modified, UTC)),
            "size": each.file.size,
            "digest": each.digest,
            "engine": each.accepted.engine if each.accepted else "",
        }
        for each in surveyed
    ]


def survey(files: Sequence[StoredFile], vetter: Vetter, told: Callable[[], None]) -> list[Surveyed]:
    """Vets files, two at a time; those in the cache of compiled models are only read.

    Args:
        files: in any order.
        vetter: its children are ended when the user interrupts.
        told: called after each file.

    Returns:
        In the order of `files`, without those that are gone meanwhile.
    """
    pool = ThreadPoolExecutor(VETTING_SIDE_BY_SIDE, thread_name_prefix="vetting")
    try:
        futures = {pool.submit(look_at, file, vetter): file.uri for file in files}
        found = {}
        for future in as_completed(futures):
            found[futures[future]] = future.result()
            told()
    except BaseException:
        vetter.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [each for file in files if (each := found[file.uri]) is not None]


def look_at(file: StoredFile, vetter: Vetter) -> Surveyed | None:
    """One file's verdict; None if it is gone."""
    if not file.finished and is_being_written(file.uri):
        return Surveyed(file, None, "still being written")
    try:
        return Surveyed(file, vetter.vet(file.uri))
    except ModelRejected as rejection:
        return Surveyed(file, rejection)
    except FileNotFoundError:
        return None
    except (StorageUnavailable, VettingFailed) as error:
        return Surveyed(file, None, one_line(error, 500))  # with room for the remedy, which comes last
