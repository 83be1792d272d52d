"""`hotswap package`: a model becomes a component that devices run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.device_options import TargetDevice
from launch.job_flags import with_job_flags
from launch.making_options import Making, with_making_flags
from launch.model_files import find_models
from launch.printing import PlainConsole, say
from launch.quantizing import print_agreement, tracked
from launch.waiting import asking, working
from models.artefacts import EngineChoice
from models.components.component import Target
from models.errors import ModelRejected, QuantizedOtherwise, one_line
from models.releasing.packaging import (
    Compiled,
    Order,
    Packaged,
    compile_for_devices,
    names_of_their_own,
    pack_for_devices,
    read_shelf,
)
from models.releasing.quantized import Telling
from models.releasing.shelf import Shelved, missing, put_once
from models.storage import Told
from models.storage.schemes import AnyStorage
from models.vetting.session import vetting

_VETTING = ("max_batch_size", "max_values", "require_confinement")
app = typer.Typer(add_completion=False)


@app.command()
@with_job_flags(_VETTING)
@with_making_flags
def package(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, or a folder or pattern of them: the newest valid one.")
    ],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="A folder, or gs://, s3:// or az:// BUCKET/FOLDER.")
    ],
    version: Annotated[str, typer.Option(metavar="X.Y.Z", help="The component's version, which never changes.")],
    name: Annotated[str | None, typer.Option(help="The component's name; else the model's.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every valid model of a folder or pattern.")] = False,
    target: Annotated[
        list[TargetDevice] | None, typer.Option(help=f"What it is made for ({TargetDevice.X86_64}); repeatable.")
    ] = None,
    *,
    making: Making,
    job: Mapping[str, Any],
) -> int:
    """Vets a model, and packs its compiled form, its card and its labels for devices, beside a recipe for Greengrass.

    The same inputs give the same bytes. The last line of standard output is the address of the archive.
    """
    stderr = PlainConsole(stderr=True)
    storage = any_storage()
    where = read_shelf(destination)
    targets: list[Target] = [each.value for each in dict.fromkeys(target or [TargetDevice.X86_64])]
    order = Order(
        version,
        tuple(targets),
        making.engine,
        making.quantization,
        making.signer,
    )
    if every and name is not None:
        raise CommandRefused("--name goes with one model, not with --all")
    found = find_models(storage, model, every)
    with tempfile.TemporaryDirectory(prefix="hotswap-package-") as folder:
        try:
            compiled = _compiled(storage, stderr, found, Path(folder), order, job, every)
            names = names_of_their_own(compiled) if every else [name]
            packed = [
                pack_for_devices(each, where, Path(folder), order, own)
                for each, own in zip(compiled, names, strict=True)
            ]
            _put(storage, stderr, where, packed)
        except OSError as error:
            raise CommandFailed(f"nothing was packaged: {one_line(error)}") from error
    return OK


def _compiled(
    storage: AnyStorage,
    stderr: Console,
    found: Sequence[str],
    folder: Path,
    order: Order,
    job: Mapping[str, Any],
    every: bool,
) -> list[Compiled]:
    """The newest that is valid, or all that are; of the others it is told why not.

    Raises:
        CommandFailed: there is none.
        CommandRefused: there is no such file.
    """
    telling = Telling(partial(working, stderr), partial(tracked, stderr))
    compiled = []
    for number, model in enumerate(found):
        place = folder / str(number)
        place.mkdir()
        try:
            compiled.append(compile_for_devices(storage, model, place, order, _vetting(storage, job), telling))
        except FileNotFoundError as error:
            raise CommandRefused(f"there is no file {model}") from error
        except (ModelRejected, QuantizedOtherwise) as refusal:
            say(f"{model} is left out: {refusal}", stderr=True)
            continue
        if compiled[-1].quantized is not None:
            print_agreement(compiled[-1].quantized)
        if not every:
            break
    if not compiled:
        which = found[0] if len(found) == 1 else f"none of {len(found)} models"
        raise CommandFailed(f"{which} cannot be packaged, and nothing was written")
    return compiled


def _vetting(storage: AnyStorage, job: Mapping[str, Any]) -> Callable[[EngineChoice], Any]:
    return lambda engine: vetting(storage, engine, **job)


def _put(storage: AnyStorage, stderr: Console, where: str, packed: Sequence[Packaged]) -> None:
    """Writes what is not there yet, once it is known that nothing there has other bytes."""
    with asking(where):
        lacking = [missing(storage, each.files) for each in packed]
    for each, files in zip(packed, lacking, strict=True):
        if not files:
            say(f"{each.title} is there already with the same bytes; nothing was written")
        else:
            with _transfer(stderr, files) as told:
                put_once(storage, files, told)
            of = each.components[0]
            say(f"{each.title}: {of.runtime.engine}, {of.precision}, {each.size:,} bytes, made of {of.model_id}")
        for archive in each.archives:
            say(archive)


@contextmanager
def _transfer(console: Console, files: Sequence[Shelved]) -> Iterator[Callable[[Shelved], Told]]:
    """A progress bar for several files; yields what is given each."""
    columns = (TextColumn("writing"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=sum(file.path.stat().st_size for file in files))

        def told(file: Shelved) -> Told:
            if not console.is_terminal:
                say(f"writing {file.uri} ({file.path.stat().st_size:,} bytes) …", stderr=True)
            return lambda written: progress.advance(task, written)

        yield told
