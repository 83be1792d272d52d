"""`hotswap vet`: what would the job say to this model file?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from launch.any_storage import any_storage
from launch.command_line import FAILED, OK, CommandRefused
from launch.model_arguments import AsJson, with_registry_flags
from launch.model_report import accepted_as_json, print_accepted, print_json, print_rejected, rejected_as_json
from launch.model_timings import measure
from launch.printing import PlainConsole, say
from launch.registries import Readers, without_registry
from launch.waiting import working
from models.artefacts import Vetted
from models.errors import ModelRejected
from models.model_files import needs_keras
from models.registry.records import Accepted
from models.storage.errors import StorageUnavailable
from models.vetting import Vetter
from models.vetting.session import vetting

app = typer.Typer(add_completion=False)


@app.command()
@with_registry_flags
def vet(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, here or at gs://.")],
    as_json: AsJson = False,
    *,
    job: Mapping[str, Any],
) -> int:
    """Proves that a model file can be served, as the job would, and says what it is.

    With --registry, what is found out is put there, and its compiled form: readers of the file's folder that know no
    verdict yet, such as servers without TensorFlow, need not vet it.
    """
    console, stderr = PlainConsole(), PlainConsole(stderr=True)
    storage = any_storage()
    readers = None if job["registry"] is None else Readers(storage, model, job)
    with vetting(storage, **without_registry(job), forms=readers.registry.forms if readers else None) as vetter:
        started = time.monotonic()
        try:
            with working(stderr, f"vetting {model}"):
                vetted = _vetted(vetter, model)
                seconds = time.monotonic() - started
                timings = measure(vetted.artefact, seconds, job["max_batch_size"])
        except ModelRejected as rejection:
            if as_json:
                print_json(rejected_as_json(model, rejection))
            else:
                print_rejected(console, model, rejection)
            if readers is not None:
                say(readers.told(rejection, time.monotonic() - started), stderr=True)
            return FAILED
        if readers is not None:
            vetter.share(vetted)
            say(readers.told(Accepted.of(vetted), seconds), stderr=True)
    if as_json:
        print_json(accepted_as_json(vetted, timings))
    else:
        print_accepted(console, vetted, timings)
    return OK


def _vetted(vetter: Vetter, uri: str) -> Vetted:
    try:
        vetter.prepare(keras=needs_keras(uri))
        return vetter.vet(uri)
    except FileNotFoundError as error:
        raise CommandRefused(f"there is no file {uri}") from error
    except StorageUnavailable as error:
        raise CommandRefused(str(error)) from error
