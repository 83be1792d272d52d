"""`hotswap publish`: a model with its card in it, vetted, goes where its readers look."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from launch.any_storage import any_storage
from launch.command_line import OK, CommandFailed, CommandRefused
from launch.model_arguments import with_vetting_flags
from launch.model_report import print_accepted
from launch.printing import PlainConsole, say
from launch.quantizing import (
    Calibration,
    LeastAgreement,
    NumberPrecision,
    print_agreement,
    quantization_of,
    tracked,
)
from launch.signing import Certificates, SignKey, signer_of
from launch.waiting import asking, working
from models.errors import ModelRejected, QuantizedOtherwise
from models.releasing import Precision, Prepared, Telling, prepare, prepare_quantized
from models.releasing.destination import Destination, read_destination
from models.releasing.inputs import read_card_file, read_labels
from models.storage import WritableStorage
from models.storage.errors import NameTaken, StorageUnavailable
from models.tags import read_tags
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_vetting_flags
def publish(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file: .h5, .keras or .onnx.")],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="A folder, gs://BUCKET/FOLDER/, or a file.")
    ],
    name: Annotated[str | None, typer.Option(help="The model's name, which its results bear.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Labels: one a line, or a JSON list.")] = None,
    card: Annotated[Path | None, typer.Option(help="A card: JSON. Options of this command go before it.")] = None,
    preprocess: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="How pixels were scaled: a family of keras.applications, such as resnet50 or vgg16."
        ),
    ] = None,
    precision: Annotated[
        NumberPrecision,
        typer.Option(help="int8: in 8 bits, as .onnx, if it answers as before; needs --calibration."),
    ] = NumberPrecision.FP32,
    calibration: Calibration = None,
    least_agreement: LeastAgreement = None,
    version: Annotated[str | None, typer.Option(help="The model's version.")] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A tag, in place of one of the same key; repeatable."),
    ] = None,
    description: Annotated[str | None, typer.Option(help="One line about the model.")] = None,
    sign: SignKey = None,
    certificate: Certificates = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Vet, and say what would happen.")] = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Vets a model with its card in it, and puts it where jobs find it, in one step and under a name of its own.

    The last line of standard output is the model_id that its results will bear.
    """
    stderr = PlainConsole(stderr=True)
    storage = any_storage()
    where = read_destination(destination)
    quantization = quantization_of(precision, calibration, least_agreement)
    signer = signer_of(sign, certificate or ())
    tags = read_tags(tag or (), once=True)
    fields = _fields(card, labels, name=name, version=version, description=description)
    try:
        with _prepared(storage, model, where, fields, preprocess, precision.value, tags) as prepared:
            quantized = None
            with vetting(storage, **job) as vetter:
                if quantization is not None:
                    telling = Telling(partial(working, stderr), partial(tracked, stderr))
                    prepared, quantized = prepare_quantized(storage, prepared, where, vetter, quantization, telling)
                with working(stderr, f"vetting {model}") if quantized is None else nullcontext():
                    vetted = prepared.vet(vetter)
            print_accepted(PlainConsole(), vetted)
            if quantized is not None:
                print_agreement(quantized)
            if dry_run:
                would = f"{prepared.size:,} bytes would be written, and results would bear"
                say(f"dry run: {would} {vetted.reference.model_id}")
                return OK
            with _transfer(stderr, prepared) as told:
                prepared.put(storage, told, signer)
    except ModelRejected as rejection:
        raise CommandFailed(f"{model} is rejected, and nothing was published: {rejection}") from rejection
    except QuantizedOtherwise as refusal:
        raise CommandFailed(f"{model} is not published: {refusal}") from refusal
    except OSError as error:
        raise CommandFailed(f"nothing was published: {error}") from error
    say(vetted.reference.model_id)
    return OK


def _fields(card: Path | None, labels: Path | None, **options: str | None) -> dict[str, Any]:
    """What the user wants in the card: each field from its option, else from the card file."""
    given: dict[str, Any] = {field: value for field, value in options.items() if value is not None}
    if labels:
        given["labels"] = read_labels(labels)
    return (read_card_file(card) if card else {}) | given


@contextmanager
def _prepared(
    storage: WritableStorage,
    model: str,
    where: Destination,
    card: Mapping[str, Any],
    preprocess: str | None,
    precision: Precision,
    tags: Collection[str],
) -> Iterator[Prepared]:
    """`prepare`, whose troubles are the user's to mend: nothing has been sent yet."""
    with ExitStack() as stack:
        try:
            with asking(where.folder):
                prepared = stack.enter_context(prepare(storage, model, where, card, preprocess, precision, tags))
        except FileNotFoundError as error:
            raise CommandRefused(f"there is no file {model}") from error
        except (NameTaken, StorageUnavailable) as error:
            raise CommandRefused(str(error)) from error
        yield prepared


@contextmanager
def _transfer(console: Console, prepared: Prepared) -> Iterator[Callable[[int], None]]:
    """A progress bar for one file; yields what is told of the bytes written."""
    if not console.is_terminal:
        say(f"writing {prepared.uri} ({prepared.size:,} bytes) …", stderr=True)
    columns = (TextColumn("writing"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=prepared.size)
        yield lambda written: progress.advance(task, written)
