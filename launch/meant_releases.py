"""What a push means by the things that it is given: releases on record, or those that it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

from fleet.errors import NoSuchRelease
from fleet.fleet import Fleet
from fleet.releases import Release
from fleet.shelving import is_shelved
from launch.any_storage import any_storage
from launch.command_line import CommandFailed, CommandRefused
from launch.model_files import find_models
from launch.releases_of_models import Releasing
from models.model_files import MODEL_SUFFIXES

_ARCHIVE = ".zip"


def kind_of(what: str) -> str:
    """`component` for an archive, `model` for a model's file, else `record`."""
    suffix = PurePosixPath(what).suffix.lower()
    return "component" if suffix == _ARCHIVE else "model" if suffix in MODEL_SUFFIXES else "record"


def meant_releases(
    fleet: Fleet, making: Callable[[], Releasing], what: Sequence[str], name: str, latest: bool, every: bool
) -> list[list[Release]]:
    """What is meant: for each component its releases, of one version.

    Args:
        fleet: that it is for.
        making: makes releases, where one is to be made.
        what: is meant, as `hotswap fleet push` takes it.
        name: of the component that is made of a model's file.
        latest: whether the newest model of a folder or pattern is meant.
        every: whether every model of it is.

    Raises:
        CommandRefused: two things of one name are meant, or options that do not go together.
        CommandFailed: the archive of one on record is gone from the shelf.
        NoSuchRelease: there is none of this name and version.
        As `Releasing`.
    """
    if (latest or every) and len(what) > 1:
        raise CommandRefused(f"{len(what)} files are given; quote the pattern against the shell, e.g. 'models/*'")
    found: dict[str, list[Release]] = {}
    for each in what:
        for releases in _meant(fleet, making, each, name, latest, every):
            same = found.setdefault(releases[0].name, [])
            if same and same[0].version != releases[0].version:
                raise CommandRefused(f"{same[0].name} is named in two versions; push one")
            same += releases
    return list(found.values())


def _meant(
    fleet: Fleet, making: Callable[[], Releasing], what: str, name: str, latest: bool, every: bool
) -> list[list[Release]]:
    kind = kind_of(what)
    if latest or every:
        return making().of_models(find_models(any_storage(), what, every), name, every)
    if kind == "component":
        return [making().of_component(what)]
    if kind == "model":
        return making().of_models([what], name, every=False)
    called, _, version = what.partition("@")
    there = fleet.releases.all(called)
    chosen = version or (there[-1].version if there else "")
    releases = [each for each in there if each.version == chosen]
    if not releases:
        ways = "a model file, a COMPONENT.zip, or --latest FOLDER makes one"
        raise NoSuchRelease(f"there is no release {what} on record; {ways}")
    shelf = fleet.settings.shelf() or ""
    lost = [each for each in releases if not is_shelved(any_storage(), shelf, each)]
    if lost:
        raise CommandFailed(
            f"the archive of {lost[0].title} is gone from {lost[0].uri}: push what it was made of again"
        )
    return [releases]
