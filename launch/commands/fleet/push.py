"""`hotswap fleet push`: a rollout of a release that is there or is made begins; or one goes on, or is taken back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Annotated, Any

import typer

from fleet.assignments import DEFAULT_COMPONENT
from fleet.fleet import Fleet
from fleet.packing import Recipe
from fleet.rollouts import Plan, Rollout
from launch.any_storage import any_storage
from launch.command_line import OK, CommandRefused
from launch.fleet_arguments import Database, Shelf, open_fleet, shelf_of
from launch.fleet_subjects import subjects_of, taking_long
from launch.job_flags import with_job_flags
from launch.making_options import MAKING, Making, with_making_flags
from launch.meant_releases import kind_of, meant_releases
from launch.model_arguments import AsJson
from launch.model_report import print_json
from launch.printing import PlainConsole
from launch.pushing import Pushed, Whom, begin, left_waiting, pushed_as_json, say_pushed
from launch.releases_of_models import Releasing
from launch.rollout_options import ALL_AT_ONCE, HALT_PERCENT, Halt, Pause, Shares, plan_of

_VETTING = ("max_batch_size", "max_values", "require_confinement")
app = typer.Typer(add_completion=False)


@app.command()
@with_job_flags(_VETTING)
@with_making_flags
def push(
    context: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT",
            help="NAME or NAME@VERSION on record; a COMPONENT.zip; a model file; with --latest or --all a folder or "
            "pattern of them.",
        ),
    ],
    database: Database,
    latest: Annotated[bool, typer.Option("--latest", help="The newest valid model of a folder or pattern.")] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="Every valid model: the newest as --component, others by the names that they have."),
    ] = False,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP",
            help="To a group's devices alone; it follows from now on. Repeatable. With --resume, --halt or --back: "
            "whose rollout is meant, where several groups have one.",
        ),
    ] = None,
    all_devices: Annotated[
        bool, typer.Option("--all-devices", help="To those too that follow nothing of this name yet.")
    ] = False,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="DEVICE", help="To this device at once, pinned; no rollout. Repeatable."),
    ] = None,
    rollout: Shares = ALL_AT_ONCE,
    pause: Pause = None,
    halt: Halt = HALT_PERCENT,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with NAME's halted rollout; who failed counts no more.")
    ] = False,
    halt_now: Annotated[bool, typer.Option("--halt", help="NAME's rollout reaches no device more.")] = False,
    back: Annotated[
        bool,
        typer.Option("--back", help="NAME's release before is rolled out; again, the one before that."),
    ] = False,
    name: Annotated[
        str,
        typer.Option("--component", metavar="NAME", help="What a component is called that is made of a model file."),
    ] = DEFAULT_COMPONENT,
    shelf: Shelf = None,
    as_json: AsJson = False,
    *,
    making: Making,
    job: Mapping[str, Any],
) -> int:
    """Begins to bring releases to the devices that follow them, in steps. No server need run for it.

    What the first step reaches is written at once; a running `hotswap fleet serve` takes the later ones.
    """
    changes = [resume, halt_now, back]
    groups, devices = tuple(dict.fromkeys(group or ())), tuple(dict.fromkeys(device or ()))
    if sum([latest, every, *changes]) > 1:
        raise CommandRefused("--latest, --all, --resume, --halt and --back go one at a time")
    if any(changes) and (devices or all_devices or len(groups) > 1 or len(what) > 1):
        raise CommandRefused("--resume, --halt and --back take one NAME, and the --group whose rollout is meant")
    is_made = not any(changes) and (latest or every or any(kind_of(each) == "model" for each in what))
    takes_shelf = is_made or any(kind_of(each) == "component" for each in what)
    _refuse(context, (*MAKING, *_VETTING, "name"), is_made, "a model that is made a component")
    _refuse(context, ("shelf",), takes_shelf and not any(changes), "a model file or a COMPONENT.zip")
    _refuse(context, ("rollout", "pause", "halt"), not (resume or halt_now or devices), "a rollout that is begun")
    whom = Whom(devices, groups, all_devices)
    plan = plan_of(rollout, pause, halt)
    with open_fleet(database) as fleet:
        subjects_of(fleet, devices, groups, all_devices)
        if any(changes):
            pushed = Pushed(
                rollouts=[_changed(fleet, what[0], next(iter(groups), None), plan, resume=resume, halt_now=halt_now)]
            )
        else:

            @cache
            def releasing() -> Releasing:
                place = shelf_of(fleet, database, shelf)
                recipe = Recipe(place, making.engine, making.quantization, making.signer)
                return Releasing(fleet, any_storage(), PlainConsole(stderr=True), recipe, job)

            releases = meant_releases(fleet, releasing, what, name, latest, every)
            with taking_long(len(fleet.devices.all()), "beginning with"):
                pushed = begin(fleet, releases, whom, plan)
        pushed.changed = fleet.advance()
        statuses = {each.rollout.id: each for each in fleet.rollouts.status()}
        waiting = left_waiting(fleet, pushed.rollouts, [(name, version) for _, name, version in pushed.pinned])
    print_json(pushed_as_json(pushed, statuses, waiting)) if as_json else say_pushed(pushed, statuses, waiting)
    return OK


def _changed(fleet: Fleet, name: str, group: str | None, plan: Plan, *, resume: bool, halt_now: bool) -> Rollout:
    """What becomes of a rollout that there is; another one, where it is taken back."""
    if resume:
        return fleet.rollouts.go_on(name, group)
    return fleet.rollouts.halt(name, group=group) if halt_now else fleet.rollouts.back(name, plan, group)


def _refuse(context: typer.Context, names: Collection[str], may_be: bool, with_what: str) -> None:
    """Refuses options that would be of no effect.

    Raises:
        CommandRefused: one of them is given, and none may be.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in names and not may_be and source is not None and source.name == "COMMANDLINE":
            raise CommandRefused(f"{option.opts[0]} goes with {with_what} alone")
