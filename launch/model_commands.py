"""`hotswap vet`, `publish`, `models` and `rollback`: what data scientists do with model files."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TransferSpeedColumn

from launch.command_line import FAILED, OK, LaunchError, LaunchFailed
from launch.model_report import (
    accepted_as_json,
    measure,
    print_accepted,
    print_rejected,
    print_survey,
    rejected_as_json,
    survey_as_json,
    working,
)
from launch.model_storage import ModelStorage
from launch.model_survey import Surveyed, list_newest_first, live_one, look_at, survey, vetting
from models.artefacts import EngineChoice, Vetted
from models.errors import ModelRejected, StorageUnavailable
from models.publishing import (
    Destination,
    NameTaken,
    PublishError,
    checked_name,
    embed_card,
    embedded_card,
    model_stem,
    name_of_its_own,
    read_card_file,
    read_destination,
    read_labels,
    sha256_of,
)
from models.reference import ModelReference
from models.storage import StoredFile
from models.vetting import Vetter
from models.vetting.file_checks import identify

app = typer.Typer(add_completion=False, no_args_is_help=True)

Engine = Annotated[EngineChoice, typer.Option(help="What may execute the model; the job's own option.")]
LargestBatch = Annotated[int, typer.Option("--max-batch-size", min=1, max=4096, help="Probed up to; the job's option.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: JSON on standard output.")]
Pattern = Annotated[
    list[str], typer.Argument(metavar="PATTERN", help="In quotes: 'models/*.h5', 'gs://b/models/*.h5'.")
]

_CHUNK_BYTES = 1 << 20


@app.command("vet")
def vet(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, here or at gs://.")],
    engine: Engine = "auto",
    max_batch_size: LargestBatch = 32,
    as_json: AsJson = False,
) -> int:
    """Proves that a model file can be served, as the job would, and says what it is."""
    console, stderr = Console(), Console(stderr=True)
    with vetting(ModelStorage(), engine, max_batch_size) as vetter:
        try:
            started = time.monotonic()
            with working(stderr, f"vetting {model}"):
                vetted = _vetted(vetter, model)
                timings = measure(vetted.artefact, time.monotonic() - started, max_batch_size)
        except ModelRejected as rejection:
            if as_json:
                _print_json(rejected_as_json(model, rejection))
            else:
                print_rejected(console, model, rejection)
            return FAILED
    if as_json:
        _print_json(accepted_as_json(vetted, timings))
    else:
        print_accepted(console, vetted, timings)
    return OK


@app.command("publish")
def publish(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file: .h5, .keras or .onnx.")],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="A folder, gs://BUCKET/FOLDER/, or a file.")
    ],
    name: Annotated[str | None, typer.Option(help="The model's name, which its results bear.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Labels: one a line, or a JSON list.")] = None,
    card: Annotated[Path | None, typer.Option(help="A card: JSON. Options of this command go before it.")] = None,
    version: Annotated[str | None, typer.Option(help="The model's version.")] = None,
    description: Annotated[str | None, typer.Option(help="One line about the model.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Vet, and say what would happen.")] = False,
    engine: Engine = "auto",
    max_batch_size: LargestBatch = 32,
) -> int:
    """Vets a model with its card in it, and puts it where jobs find it, in one step and under a name of its own.

    The last line of standard output is the model_id that its results will bear.
    """
    stderr = Console(stderr=True)
    storage = ModelStorage()
    try:
        where = read_destination(destination)
        fields = _fields(card, labels, name=name, version=version, description=description)
        with tempfile.TemporaryDirectory(prefix="hotswap-publish-") as workspace:
            prepared = _prepare(storage, model, where, fields, Path(workspace))
            uri = where.address(prepared.name)
            _refuse_if_taken(storage, uri)
            with vetting(ModelStorage(), engine, max_batch_size) as vetter, working(stderr, f"vetting {model}"):
                vetted = vetter.vet(str(prepared))
            reference = ModelReference(uri, vetted.reference.digest)
            vetted = Vetted(reference, vetted.artefact)
            print_accepted(Console(), vetted)
            size = prepared.stat().st_size
            if dry_run:
                print(f"dry run: {size:,} bytes would be written, and results would bear {reference.model_id}")
                return OK
            with _transfer(stderr, uri, size) as (told, watched):
                storage.put(prepared, uri, told, watched)
    except NameTaken as error:
        raise LaunchFailed(str(error)) from error
    except PublishError as error:
        raise LaunchError(str(error)) from error
    except ModelRejected as rejection:
        raise LaunchFailed(f"{model} is rejected, and nothing was published: {rejection}") from rejection
    except (StorageUnavailable, OSError) as error:
        raise LaunchFailed(f"nothing was published: {error}") from error
    print(reference.model_id)
    return OK


@app.command("models")
def models(
    pattern: Pattern, engine: Engine = "auto", max_batch_size: LargestBatch = 32, as_json: AsJson = False
) -> int:
    """Lists the files of a pattern, newest first: which is live, which are valid, which are rejected and why."""
    storage, stderr = ModelStorage(), Console(stderr=True)
    with _asking(pattern[0]):
        files = list_newest_first(storage, pattern)
    with vetting(storage, engine, max_batch_size) as vetter:
        surveyed = _surveyed(stderr, files, vetter)
    if as_json:
        _print_json(survey_as_json(surveyed))
    elif surveyed:
        print_survey(Console(), surveyed)
    if not surveyed:
        raise LaunchFailed(f"no file matches {pattern[0]}")
    return OK


@app.command("rollback")
def rollback(
    pattern: Pattern,
    to: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A file name, card name, model_id or digest; else the one before the live."),
    ] = None,
    engine: Engine = "auto",
    max_batch_size: LargestBatch = 32,
) -> int:
    """Makes an earlier valid model the newest again; jobs follow at their next look.

    The last line of standard output is the model_id that will be live.
    """
    storage, stderr = ModelStorage(), Console(stderr=True)
    with _asking(pattern[0]):
        files = list_newest_first(storage, pattern)
    if not files:
        raise LaunchFailed(f"no file matches {pattern[0]}")
    with vetting(storage, engine, max_batch_size) as vetter:
        target = _named(stderr, files, vetter, to) if to else _before_the_live_one(stderr, files, vetter)
    if target.file.uri == files[0].uri:
        print("it is the newest already", file=sys.stderr)
    else:
        storage.make_newest(target.file, above=files[0].modified)
        newest = list_newest_first(storage, pattern)[:1]
        if newest and newest[0].uri != target.file.uri:
            print(f"note: {newest[0].uri} is newer still, and goes live instead if it is valid", file=sys.stderr)
    print(target.model_id)
    return OK


def _vetted(vetter: Vetter, uri: str) -> Vetted:
    try:
        vetter.prepare(keras=not uri.endswith(".onnx"))
        return vetter.vet(uri)
    except FileNotFoundError as error:
        raise LaunchError(f"there is no file {uri}") from error
    except StorageUnavailable as error:
        raise LaunchError(str(error)) from error


def _fields(card: Path | None, labels: Path | None, **options: str | None) -> dict[str, Any]:
    """What the user wants in the card: each field from its option, else from the card file."""
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    if labels:
        given["labels"] = read_labels(labels)
    return (read_card_file(card) if card else {}) | given


def _prepare(storage: ModelStorage, model: str, where: Destination, fields: dict[str, Any], workspace: Path) -> Path:
    """A copy of the model with its card in it, under the name that it will have.

    Where that name is made up, the card gets the model's present name, unless it has one: results should say
    `digits`, not `digits-20300102T030405Z-0123456789ab`.

    Raises:
        LaunchError: there is no such file.
        PublishError: the chosen name does not fit the file.
        ModelRejected: the file is no model, or its card is damaged.
    """
    own_name = model.rpartition("/")[2]
    copy = workspace / f"model{Path(own_name).suffix.lower()}"
    try:
        with closing(storage.open(model)) as source, copy.open("wb") as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
    except FileNotFoundError as error:
        raise LaunchError(f"there is no file {model}") from error
    except StorageUnavailable as error:
        raise LaunchError(str(error)) from error
    kind = identify(copy)
    present = embedded_card(copy)
    wanted = present | fields
    if where.name is None:
        wanted = {"name": model_stem(own_name)} | wanted
    if wanted != present:
        embed_card(copy, wanted)
    name = checked_name(where.name, kind) if where.name else name_of_its_own(own_name, kind, sha256_of(copy))
    return copy.rename(copy.with_name(name))


def _refuse_if_taken(storage: ModelStorage, uri: str) -> None:
    """Early, for the user's sake; what really keeps files from being replaced is the step that writes."""
    with _asking(uri):
        taken = storage.exists(uri)
    if taken:
        raise LaunchError(f"{uri} exists, and is not replaced; choose another name, or give the folder alone")


def _before_the_live_one(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> Surveyed:
    """The second newest valid file; the others are not looked at."""
    valid: list[Surveyed] = []
    for file in files:
        with working(console, f"vetting {file.uri}"):
            each = look_at(file, vetter)
        if each is not None and isinstance(each.verdict, Vetted):
            valid.append(each)
        if len(valid) == 2:
            return valid[1]
    live = f"{valid[0].file.uri} is the only valid one" if valid else "none is valid"
    raise LaunchFailed(f"there is no earlier valid model to go back to: {live}")


def _named(console: Console, files: Sequence[StoredFile], vetter: Vetter, name: str) -> Surveyed:
    """The newest valid file that `name` names."""
    called = [file for file in files if Surveyed(file, None).is_called(name)]
    candidates = [each for each in _surveyed(console, called or files, vetter) if each.answers_to(name)]
    if not candidates:
        raise LaunchError(f"--to {name}: no file of the pattern, and no card, model_id or digest is so called")
    target = live_one(candidates)
    if target is None:
        problem = candidates[0].verdict or candidates[0].trouble
        raise LaunchFailed(f"{candidates[0].file.uri} cannot be served: {problem}")
    return target


def _surveyed(console: Console, files: Sequence[StoredFile], vetter: Vetter) -> list[Surveyed]:
    columns = (TextColumn("vetting"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        if not console.is_terminal and files:
            print(f"vetting {len(files)} file{'s' * (len(files) > 1)} …", file=sys.stderr)
        task = progress.add_task("", total=len(files))
        return survey(files, vetter, lambda: progress.advance(task))


@contextmanager
def _transfer(
    console: Console, uri: str, size: int
) -> Iterator[tuple[Callable[[int], None], Callable[[Path], BinaryIO]]]:
    """A progress bar for one file; yields what a local copy tells it, and what opens a file for an upload."""
    if not console.is_terminal:
        print(f"writing {uri} ({size:,} bytes) …", file=sys.stderr)
    columns = (TextColumn("writing"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=size)
        yield (
            lambda written: progress.advance(task, written),
            lambda path: progress.open(path, "rb", task_id=task),
        )


def _asking(uri: str) -> AbstractContextManager[None]:
    """Says that a bucket is being asked, which may take seconds where it does not answer; a disk answers at once."""
    return working(Console(stderr=True), f"asking for {uri}") if "://" in uri else nullcontext()


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
