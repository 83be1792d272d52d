"""`hotswap predict`: asks a server what it sees in images, and tells which model answered."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from launch.answer_lines import json_line, parts
from launch.command_line import FAILED, OK, CommandFailed, CommandRefused
from launch.image_files import image_files, image_names
from launch.printing import PlainConsole, say
from models.errors import ImageError
from models.loopback import is_loopback
from serving.access import AccessRefused, read_tokens
from serving.client import (
    AccessDenied,
    Client,
    NoSuchModel,
    NotReady,
    Predicted,
    ServerError,
    SettingsUnusable,
    TlsMismatch,
    Unreachable,
)

app = typer.Typer(add_completion=False)

_ENDS_ALL = (AccessDenied, NoSuchModel, NotReady, SettingsUnusable, TlsMismatch, Unreachable)
"""What would befall every other image too."""
_OPTIONS = {"`tls_ca`": "--tls-ca", "`certificate`": "--tls-cert", "`key`": "--tls-key"}
"""What the client's settings are called here."""
_TOLD_EVERY = 1000
_File = Path | None


@app.command()
def predict(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="Of the server's gRPC side.")],
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE", help="Files, folders with all below them, or - for one on stdin.")
    ],
    top: Annotated[int, typer.Option(min=1, help="Most classes, labels, things or numbers that are told.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines, as the stream writes its results.")] = False,
    name: Annotated[str, typer.Option(help="Of the model, as the server was told it.")] = "default",
    seconds: Annotated[float, typer.Option(min=0.001, help="Most that an image may take.")] = 60.0,
    tls_ca: Annotated[_File, typer.Option(help="Authority that signed the server's certificate; turns TLS on.")] = None,
    tls_cert: Annotated[_File, typer.Option(help="This client's certificate, where the server asks for one.")] = None,
    tls_key: Annotated[_File, typer.Option(help="Its private key, in PEM.")] = None,
    token_file: Annotated[_File, typer.Option(help="The first token in it is borne.")] = None,
) -> int:
    """Prints what a server sees in images, best first, and which model answered.

    An image without an answer is told on standard error, and the others go on; the exit code is then 1.
    """
    # What gRPC logs of a failed handshake is told once, in one line, by the error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    token = _token(token_file)
    if token and not tls_ca and not is_loopback(address.rpartition(":")[0]):
        say(f"warning: the token goes to {address} in plain text; --tls-ca turns TLS on", stderr=True)
    try:
        client = Client(address, name, tls_ca=tls_ca, certificate=tls_cert, key=tls_key, token=token)
    except SettingsUnusable as error:
        raise CommandRefused(_in_options(error)) from error
    with client:
        asking = _Asking(client, seconds, top, as_json)
        try:
            asking.go(images)
        except KeyboardInterrupt:
            say(f"interrupted: {asking.answered} answered", stderr=True)
            raise
        finally:
            asking.tell_model()
    return FAILED if asking.failed else OK


class _Asking:
    """Images under way, and what was told of them."""

    def __init__(self, client: Client, seconds: float, top: int, as_json: bool) -> None:
        self.answered = 0
        self.failed = 0
        self._client = client
        self._seconds = seconds
        self._top = top
        self._as_json = as_json
        self._sent: deque[str] = deque()
        self._model_id = ""
        self._by_model = 0

    def go(self, given: Sequence[str]) -> None:
        """Asks for all, and prints each answer as it comes."""
        names = image_names(given, self._tell_failed)
        alone = len(names) == 1
        with closing(self._client.predict_each(self._data(names), self._seconds, self._top)) as outcomes:
            for outcome in _shown(outcomes, len(names)):
                image = self._sent.popleft()
                if isinstance(outcome, _ENDS_ALL):
                    raise CommandFailed(_in_options(outcome)) from outcome
                if isinstance(outcome, ServerError):
                    self._tell_failed(image, outcome)
                else:
                    self._tell(image, outcome, alone)

    def tell_model(self) -> None:
        """Tells which model gave the answers since it was told last."""
        if self._by_model and not self._as_json:
            images = "1 image" if self._by_model == 1 else f"{self._by_model:,} images"
            say(f"{images} answered by {self._model_id}")
        self._by_model = 0

    def _data(self, names: Sequence[str]) -> Iterator[bytes]:
        for file in image_files(names, self._tell_failed):
            self._sent.append(file.name)
            yield file.data

    def _tell(self, image: str, answer: Predicted, alone: bool) -> None:
        if answer.model_id != self._model_id:
            self.tell_model()
            self._model_id = answer.model_id
        if self._as_json:
            say(json_line(image, answer))
        elif alone:
            for part in parts(answer, self._top):
                say(part)
        else:
            say(f"{image}: {', '.join(parts(answer, self._top))}")
        sys.stdout.flush()  # who reads from a pipe sees each as it comes
        self._by_model += 1
        self.answered += 1

    def _tell_failed(self, image: str, error: ImageError | ServerError) -> None:
        self.failed += 1
        say(f"{image}: {error}", stderr=True)


def _token(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return read_tokens(path)[0]
    except AccessRefused as error:
        raise CommandRefused(str(error)) from error


def _in_options(error: ServerError) -> str:
    """What an error says, for who gives options."""
    text = str(error)
    for setting, option in _OPTIONS.items():
        text = text.replace(setting, option)
    return text


def _shown(outcomes: Iterator[Predicted | ServerError], images: int) -> Iterator[Predicted | ServerError]:
    """The same, with their number shown where answers do not show it themselves: they are in a file, or in a pipe."""
    console = PlainConsole(stderr=True)
    if images == 1 or PlainConsole().is_terminal:
        yield from outcomes
        return
    columns = (TextColumn("asking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Answers go to the file or the pipe that they are meant for, not through the bar to its terminal.
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal, redirect_stdout=False)
    with bar as progress:
        task = progress.add_task("", total=images)
        for number, outcome in enumerate(outcomes, 1):
            progress.advance(task)
            if not console.is_terminal and number % _TOLD_EVERY == 0:
                say(f"{number:,} of {images:,} images", stderr=True)
            yield outcome
