"""`hotswap remove`: a model goes, with what was compiled of it, the verdicts on it and its signature."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from launch.any_storage import any_storage
from launch.command_line import FAILED, OK, CommandFailed, CommandRefused
from launch.model_arguments import with_registry_flags
from launch.printing import PlainConsole, say
from launch.registries import without_registry
from launch.waiting import asking, working
from models.registry.cache import REGISTRY_IN_CACHE, cache_of_user
from models.registry.holdings import Holdings
from models.releasing import Telling
from models.releasing.liveness import Liveness, by_pointers, by_the_rule
from models.releasing.removal import look_up, pattern_of, plan_removal
from models.storage import StoredFile
from models.storage.errors import StorageUnavailable
from models.storage.schemes import AnyStorage
from models.survey import Surveyed, look_at
from models.vetting import Vetter
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_registry_flags
def remove(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, here or at gs://BUCKET/NAME.")],
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN", help="What its readers follow, in quotes; else files of its folder and extension."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if it is live.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a terminal.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Takes away a model's compiled forms, the verdicts on it, its signature and its file, in that order.

    It says first what it will do. What other files of the same bytes need stays. Run it again if it was interrupted.
    """
    if "://" in model and not model.startswith("gs://"):
        raise CommandRefused(f"{model} cannot be removed; local files and gs:// can")
    if job["registry"] == "":
        raise CommandRefused("--registry is empty; a local folder or gs://BUCKET/FOLDER is expected")
    storage, stderr, cache = any_storage(), PlainConsole(stderr=True), cache_of_user()
    registry = Holdings(storage.objects(job["registry"])) if job["registry"] else None
    of_this_machine = Holdings(storage.objects(str(cache.folder / REGISTRY_IN_CACHE)))
    registries = [of_this_machine] if registry is None else [of_this_machine, registry]
    telling = Telling(partial(working, stderr))
    with asking(model):
        file = look_up(storage, model)

    def liveness() -> str:
        live, why = _liveness(storage, stderr, model, file, pattern, registry, job)
        if live and not force:
            raise CommandRefused(f"{model} is not removed: {why}; publish another or roll back first, or --force")
        return why

    why = liveness()
    try:
        removal = plan_removal(storage, model, cache, registries, pattern, telling)
    except FileNotFoundError as error:
        raise CommandRefused(
            f"there is no file {model}, and nothing is left of one; give the address of one"
        ) from error
    say(f"{model}: {why}")
    for step in removal.steps():
        say(step)
    if dry_run:
        say("dry run: nothing was removed")
        return OK
    if sys.stdin.isatty() and not yes:
        if not typer.confirm("Go on?", err=True):
            say("nothing was removed", stderr=True)
            return FAILED
        liveness()  # it may have become live while nobody answered
    try:
        removal.carry_out(storage, telling)
    except StorageUnavailable as error:
        raise CommandFailed(f"{error}; run it again for what is left") from error
    say(f"removed {model}")
    return OK


def _liveness(
    storage: AnyStorage,
    console: Console,
    model: str,
    file: StoredFile | None,
    pattern: str | None,
    registry: Holdings | None,
    job: Mapping[str, Any],
) -> Liveness:
    """Whether the model is live, by the registry where it has a word on it, else by the rule."""
    if registry is not None:
        with working(console, f"reading {registry.address}"):
            told = by_pointers(registry.pointers(), model, pattern)
        if told is not None:
            return told
        say(f"note: {registry.address} does not say what is live there; the newest valid file is", stderr=True)
    if file is None:
        return Liveness(False, "its file is gone")
    with vetting(storage, **without_registry(job)) as vetter:
        return by_the_rule(storage, model, pattern or pattern_of(model), partial(_looked_at, console, vetter))


def _looked_at(console: Console, vetter: Vetter, file: StoredFile) -> Surveyed | None:
    with working(console, f"vetting {file.uri}"):
        return look_at(file, vetter)
