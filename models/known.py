"""What a registry knows of the files of a pattern: read, not vetted."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from models.errors import one_line
from models.reference import ModelReference
from models.registry.records import Accepted, Change, Judgement, Pointer
from models.registry.registry import Registry
from models.signatures.beside import as_it_is_alone, list_models
from models.storage import StoredFile, WritableStorage
from models.storage.errors import NotWritten
from models.survey import Surveyed
from models.trials.trial import EndedTrial, Trial

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Known:
    """What a registry says of a pattern.

    Attributes:
        files: newest first; one without a verdict has not been vetted by anybody. What is live stands first where its
            file is gone.
        live: that which the pointer states; None where it states none.
        changes: of the pointer, oldest first.
        trial: of another model, that is under way; None where there is none.
        ended: what came of the last trials, oldest first.
    """

    files: Sequence[Surveyed]
    live: Surveyed | None
    changes: Sequence[Change]
    trial: Trial | None = None
    ended: Sequence[EndedTrial] = ()


def known_of(registry: Registry, files: Sequence[StoredFile]) -> Known:
    """Reads what is known of the files of a pattern.

    Args:
        registry: of the pattern.
        files: newest first, listed as `Registry.signed` says.

    Raises:
        StorageUnavailable: the registry gave no answer.
    """
    registry.live.look(mend=False)
    surveyed = [_surveyed(registry, file) for file in registry.models_among(files)]
    pointer = registry.live.pointer
    if pointer is None:
        return Known(surveyed, None, ())
    surveyed = [_marked(each, pointer) for each in surveyed]
    stated = pointer.now.reference
    live = next((each for each in surveyed if _is(each, stated)), None)
    if live is None:
        gone = StoredFile(stated.uri, 0, 0.0, "", finished=True)
        live = Surveyed(gone, Accepted(stated, stated.file_name), "its file is gone, or has other bytes now")
        surveyed.insert(0, live)
    return Known(surveyed, live, pointer.changes, pointer.trial, pointer.ended)


def roll_back(registry: Registry, storage: WritableStorage, target: Surveyed, known: Known) -> None:
    """Makes a valid file the newest, and moves the pointer to it, which every reader follows.

    What is live already stays as it is. A trial ends with it: of the target itself, which is promoted; of another
    model, which is rolled back.

    Args:
        registry: that was read with `known_of`.
        storage: where the files are.
        target: one of `known`, valid, whose file is there.
        known: what was read.

    Raises:
        NotWritten: the file has changed meanwhile, or the pointer is moved by others again and again.
        StorageUnavailable: from the storage, or the registry.
    """
    assert isinstance(target.verdict, Accepted)
    if known.live is target:
        _end_trial(registry)
        return
    newest = next(each.file for each in known.files if each.file.version)
    if newest.uri != target.file.uri:
        storage.make_newest(as_it_is_alone(target.file), above=newest.modified)
        for file in list_models(storage, registry.pattern, registry.signed):
            if file.uri == target.file.uri:  # the same bytes under a new version
                registry.record(file, Judgement(file.uri, file.version, target.verdict))
    reference = target.verdict.reference
    _until_written(registry, lambda: registry.live.move(reference, f"rolled back by {whoever()}"))


def _end_trial(registry: Registry) -> None:
    """What is live stays so: the model that is tried beside it is rolled back."""
    why = f"rolled back by {whoever()}"
    _until_written(registry, lambda: _tries_none(registry) or registry.live.end("rolled_back", why))


def _tries_none(registry: Registry) -> bool:
    pointer = registry.live.pointer
    return pointer is None or pointer.trial is None


def _until_written(registry: Registry, write: Callable[[], bool]) -> None:
    for _ in range(_TRIES):
        if write():
            return
        registry.live.look(mend=False)
    raise NotWritten(f"{registry.address} is changed by others again and again; look at it and repeat")


def history_as_json(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """What was live from when to when, for programs; oldest first."""
    return [
        {
            "epoch": each.epoch,
            "model_id": each.reference.model_id,
            "sha256": each.reference.sha256,
            "since": each.time,
            "until": after.time if after else None,
            "why": each.why,
            "by": each.by,
        }
        for each, after in zip_longest(changes, changes[1:])
    ]


def _surveyed(registry: Registry, file: StoredFile) -> Surveyed:
    judgement = registry.judgement(file) or registry.judgement_on_other_terms(file)
    if judgement is None:
        return Surveyed(file, None, "not vetted yet")
    return Surveyed(file, judgement.verdict)


def _marked(each: Surveyed, pointer: Pointer) -> Surveyed:
    """With what trials make of a valid file."""
    trial = pointer.trial
    if not isinstance(each.verdict, Accepted):
        return each
    if trial is not None and _is(each, trial.new):
        share = f"{100 * trial.now.share:.4g}% of the images"
        return replace(each, trouble=f"on trial since {trial.begun[:19]}Z, {share}", in_trials="trial")
    sha256 = each.verdict.reference.sha256
    if sha256 not in pointer.refused:
        return each
    ended = next(told for told in reversed(pointer.ended) if told.trial.new.sha256 == sha256)
    return replace(each, trouble=f"rolled back by trial {ended.trial.number}: {ended.why}", in_trials="rolled_back")


def _is(each: Surveyed, reference: ModelReference) -> bool:
    return isinstance(each.verdict, Accepted) and each.verdict.reference == reference


def whoever() -> str:
    """Who runs this program, and on which machine, for whoever reads of what was done by hand."""
    try:
        return f"{getpass.getuser()} on {socket.gethostname()}"
    except (KeyError, OSError) as error:  # a user without a name
        return one_line(error)
