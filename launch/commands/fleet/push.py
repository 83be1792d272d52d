"""`hotswap fleet push`: a rollout of a release that is there or is made begins; or one goes on, or is taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Any

import typer

from fleet.assignments import DEFAULT_COMPONENT
from fleet.errors import NoSuchRelease
from fleet.fleet import Fleet
from fleet.packing import Recipe
from fleet.releases import Release
from fleet.rollouts import Plan, Rollout
from fleet.shelving import is_shelved
from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.device_options import EngineOfDevices
from launch.fleet_arguments import Database, Shelf, open_fleet, shelf_of
from launch.fleet_subjects import subjects_of, taking_long
from launch.job_flags import with_job_flags
from launch.model_arguments import AsJson
from launch.model_files import find_models
from launch.model_report import print_json
from launch.printing import PlainConsole
from launch.pushing import Pushed, Whom, begin, left_waiting, pushed_as_json, say_pushed
from launch.quantizing import Calibration, LeastAgreement, NumberPrecision, quantization_of
from launch.releases_of_models import Releasing
from launch.rollout_options import ALL_AT_ONCE, HALT_PERCENT, Halt, Pause, Shares, plan_of
from launch.signing import Certificates, SignKey, signer_of
from models.model_files import MODEL_SUFFIXES

_VETTING = ("max_batch_size", "max_values", "require_confinement")
app = typer.Typer(add_completion=False)


@app.command()
@with_job_flags(_VETTING)
def push(
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
        typer.Option("--all", help="Every valid model: the newest as --name, others by the names that they have."),
    ] = False,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="GROUP",
            help="To a group's devices alone; it follows from now on. With --resume, --halt-now or --back: whose "
            "rollout is meant, where several groups have one.",
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
    halt_now: Annotated[bool, typer.Option("--halt-now", help="NAME's rollout reaches no device more.")] = False,
    back: Annotated[
        bool,
        typer.Option("--back", help="NAME's release before is rolled out; again, the one before that."),
    ] = False,
    name: Annotated[str, typer.Option(help="Of the component that is made of a model file.")] = DEFAULT_COMPONENT,
    shelf: Shelf = None,
    engine: Annotated[
        EngineOfDevices, typer.Option(help="What executes it; auto: the faster one here, and onnx for aarch64.")
    ] = EngineOfDevices.ONNX,
    precision: Annotated[
        NumberPrecision, typer.Option(help="int8: in 8 bits, if it answers as before; needs --calibration.")
    ] = NumberPrecision.FP32,
    calibration: Calibration = None,
    least_agreement: LeastAgreement = None,
    sign: SignKey = None,
    certificate: Certificates = None,
    as_json: AsJson = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Begins to bring releases to the devices that follow them, in steps. No server need run for it.

    What the first step reaches is written at once; a running `hotswap fleet serve` takes the later ones.
    """
    changes = [resume, halt_now, back]
    if sum([latest, every, *changes]) > 1:
        raise CommandRefused("--latest, --all, --resume, --halt-now and --back go one at a time")
    if any(changes) and (device or all_devices or len(what) > 1):
        raise CommandRefused("--resume, --halt-now and --back take one NAME, and the --group whose rollout is meant")
    whom = Whom(tuple(dict.fromkeys(device or ())), group, all_devices)
    plan = plan_of(rollout, pause, halt)
    quantization = quantization_of(precision, calibration, least_agreement)
    signer = signer_of(sign, certificate or ())
    with open_fleet(database) as fleet:
        subjects_of(fleet, whom.devices, [] if group is None else [group], all_devices)
        if any(changes):
            pushed = Pushed(rollouts=[_changed(fleet, what[0], group, plan, resume=resume, halt_now=halt_now)])
        else:

            @cache
            def making() -> Releasing:
                recipe = Recipe(shelf_of(fleet, database, shelf), engine.value, quantization, signer)
                return Releasing(fleet, any_storage(), PlainConsole(stderr=True), recipe, job)

            releases = _releases(fleet, making, what, name, latest, every)
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


def _releases(
    fleet: Fleet, making: Callable[[], Releasing], what: Sequence[str], name: str, latest: bool, every: bool
) -> list[list[Release]]:
    """What is meant: for each component its releases, of one version.

    Raises:
        CommandRefused: two things of one name are meant, or options that do not go together.
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
    suffix = PurePosixPath(what).suffix.lower()
    if latest or every:
        return making().of_models(find_models(any_storage(), what, every), name, every)
    if suffix == ".zip":
        return [making().of_component(what)]
    if suffix in MODEL_SUFFIXES:
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
