"""The rules by which a release stays, or gives way to the one before. No files, no threads, no clock of the wall."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from edge.device_state import DeviceState, Failure, Installed, Place, Trial
from models.components.twin import DesiredModel
from models.errors import ComponentFault, DeviceFault

UNTOLD_VERSION = "0.0.0"
"""What stands in a twin that tells none."""
MOST_DEATHS = 3
"""Of programs that ran a release in its trial, after which it gives way."""
MOST_DEATHS_WITHOUT_ANSWER = 2
"""The same where none has ever answered by it."""
MOST_BOOTS = 3
"""Of the machine within a trial: the power may fail once, or the release may bring the machine down again and again."""
FAILED_IMAGES = 5
"""That tell of a release where it answered to none, or to fewer: one image may be at fault itself."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When somebody looks.

    Attributes:
        boot: of the machine; another one each time that it begins.
        seconds: of that boot, which only grow.
    """

    boot: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SeenRun:
    """What a program that answers by releases said of itself.

    Attributes:
        name: of it, another for each.
        boot: of the machine in which it began.
        alive: whether it still runs; else it ended without saying so.
        manifest: SHA-256 of the manifest of the component that it runs, or tries to; "" where there is none.
        answered: of the components that it answered by, the same.
        quarantined: of those that fail on their own probe image, with the reason.
        images: of the components that it asked, how many images they answered to, and to how many they did not.
    """

    name: str
    boot: str
    alive: bool
    manifest: str
    answered: frozenset[str] = frozenset()
    quarantined: tuple[tuple[str, str], ...] = ()
    images: tuple[tuple[str, int, int], ...] = ()


def is_named(name: str, version: str, desired: DesiredModel) -> bool:
    """Whether a component is called what is desired; a twin may tell no version."""
    return name == desired.name and desired.version in (version, UNTOLD_VERSION)


def is_desired(release: Installed | None, desired: DesiredModel) -> bool:
    """Whether a release is what is desired: of the archive, and of that name."""
    return release is not None and release.sha256 == desired.sha256 and is_named(release.name, release.version, desired)


def may_be_another(failure: Failure | None, desired: DesiredModel) -> bool:
    """Whether an archive was refused only as it had been desired under another name."""
    return (
        failure is not None
        and failure.error == ComponentFault.OTHER_COMPONENT
        and (failure.name, failure.version) != (desired.name, desired.version)
    )


def without_failures_of(state: DeviceState, agent: str) -> DeviceState:
    """The state as another version of this software takes it: what the one before could not read, it may be able to.

    Args:
        state: whose agent before reported a version, or none yet.
        agent: the version of this one.
    """
    if state.told.agent in ("", agent):
        return state
    refusals = set(ComponentFault)
    kept = {sha256: each for sha256, each in state.failed.items() if each.error not in refusals}
    return replace(state, failed=kept)


def begin(now: Moment) -> Trial:
    """A trial that begins."""
    return Trial(now.boot, now.seconds)


def looked_at(trial: Trial, release: Installed, runs: Iterable[SeenRun], now: Moment) -> Trial:
    """The trial as of now.

    Time counts while the machine runs: from one look to the next of a boot, whether the agent ran meanwhile or not.

    Args:
        trial: as of the last look.
        release: whose it is.
        runs: all that said anything; each that died is counted once, however often it is seen.
        now: not before the last look, where the boot is the same.
    """
    deaths, answered = dict.fromkeys(trial.deaths), trial.answered
    for run in runs:
        answered = answered or release.manifest in run.answered
        if not run.alive and run.boot == now.boot and run.manifest == release.manifest:
            deaths[run.name] = None
    if trial.boot == now.boot:
        seconds, boots = trial.seconds + max(0.0, now.seconds - trial.seen), trial.boots
    else:
        seconds, boots = trial.seconds, trial.boots + 1
    return Trial(now.boot, now.seconds, seconds, boots, tuple(deaths), answered)


def quarantined(release: Installed, runs: Iterable[SeenRun]) -> Failure | None:
    """Why a release gives way now, in trial or long after; None where it may go on."""
    for run in runs:
        for manifest, why in run.quarantined:
            if manifest == release.manifest:
                return failure_of(release, DeviceFault.QUARANTINED, why)
    return None


def condemned(trial: Trial, release: Installed, runs: Iterable[SeenRun]) -> Failure | None:
    """Why a release in trial gives way now; None where it may go on."""
    if (failure := quarantined(release, runs)) is not None:
        return failure
    if len(trial.deaths) >= (MOST_DEATHS if trial.answered else MOST_DEATHS_WITHOUT_ANSWER):
        answered = "" if trial.answered else ", and never answered"
        return failure_of(
            release, DeviceFault.CRASHED, f"what ran it died {len(trial.deaths)} times in its first minutes{answered}"
        )
    if trial.boots >= MOST_BOOTS:
        return failure_of(
            release, DeviceFault.BOOT_LOOP, f"the machine began anew {trial.boots} times in its first minutes"
        )
    return unfit_for_images(trial, release, runs, at_end=False)


def unfit_for_images(trial: Trial, release: Installed, runs: Iterable[SeenRun], at_end: bool) -> Failure | None:
    """Why a release in trial gives way to one that may answer to images; None where it may go on.

    Args:
        trial: as of now.
        release: whose it is.
        runs: that asked it, those that ended included.
        at_end: whether the trial is over: until then it may still answer to more than it fails on.
    """
    counts = [(answered, failed) for run in runs for each, answered, failed in run.images if each == release.manifest]
    answered, failed = sum(each for each, _ in counts), sum(each for _, each in counts)
    answers_to_none = answered == 0 and not trial.answered
    if failed < FAILED_IMAGES or not (answers_to_none or (at_end and failed > answered)):
        return None
    detail = f"it answered to {answered} images in its first minutes, and failed on {failed}"
    return failure_of(release, DeviceFault.FAILS_ON_IMAGES, detail)


def failure_of(release: Installed, error: str, detail: str) -> Failure:
    """That a release failed."""
    return Failure(release.name, release.version, release.model_id, str(error), detail)


def swapped(place: Place, release: Installed, trial: Trial | None, failed: Iterable[str]) -> Place:
    """A place once a release is brought in: what was good there is kept, and what had not failed yet if nothing was.

    Args:
        place: before.
        release: that comes.
        trial: of it; None where it proved itself before.
        failed: archives that are known to fail.
    """
    before = place.current
    may_return = before is not None and before.sha256 not in failed
    kept = before if may_return and (place.trial is None or place.last_good is None) else place.last_good
    is_other = kept is not None and kept.folder_name != release.folder_name
    return Place(release, kept if is_other else None, trial)


def proved(place: Place) -> Place:
    """A place whose release has come through its trial."""
    return replace(place, trial=None)


def stepped_back(place: Place) -> Place:
    """A place without its release that cannot run now: what is good is back until it can, if anything is."""
    return place if place.last_good is None else Place(place.last_good)


def still_tells(run: SeenRun, in_trial: Collection[str]) -> bool:
    """Whether what a program said is still needed once it is no more: how images went, until the trial is over.

    Args:
        run: that ended.
        in_trial: SHA-256 of the manifests of the releases that are in trial.
    """
    return any(failed and manifest in in_trial for manifest, _, failed in run.images)


def given_way(state: DeviceState, name: str, failure: Failure) -> DeviceState:
    """The state once the release of a place failed: the last good one is back, and the other is not tried again.

    A device that has no other keeps what it has: whatever that answers is more than nothing.
    """
    place = state.places[name]
    assert place.current is not None
    back = Place(place.last_good) if place.last_good is not None else Place(place.current)
    return state.with_place(name, back).with_failure(place.current.sha256, failure)
