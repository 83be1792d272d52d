"""`hotswap`: every command of this project under one name, each imported only when it is called."""

from __future__ import annotations

import sys

try:
    from collections.abc import Sequence
    from typing import Annotated

    import typer

    from launch.command_line import run
    from launch.lazy_commands import lazy_commands
    from models.version import VERSION
except KeyboardInterrupt:  # which takes a while
    sys.exit(130)

SUMMARIES = {
    "vet": "Prove that a model file can be served, and say what it is.",
    "publish": "Vet a model and put it where jobs find it.",
    "package": "Make components of models, for devices.",
    "fleet": "Say what devices run, and see that they do.",
    "models": "List models: live, valid, rejected and why.",
    "trial": "Tell how a new model fares while it is tried.",
    "rollback": "Make an earlier model live again.",
    "remove": "Take a model away, with all that was made of it.",
    "doctor": "Check that this machine has what the project needs.",
    "corrections": "Export what people corrected on the page.",
    "replay": "Publish the images of dead letters again.",
    "local": "Run the whole job on this machine.",
    "serve": "Answer over gRPC and HTTP by the live model.",
    "predict": "Ask a server what it sees in images.",
    "studio": "Draw digits, correct them, and watch the model learn.",
    "dataflow": "Run the job on Google Cloud Dataflow.",
    "bench": "Measure the job.",
}
"""The verbs, each a module of `launch.commands` with one Typer application `app`; a line each for `hotswap --help`,
where importing the module would take seconds."""


app = typer.Typer(
    cls=lazy_commands("launch.commands", "hotswap", SUMMARIES), add_completion=False, no_args_is_help=True
)


def _print_version(asked: bool) -> None:
    if not asked:
        return
    print(f"hotswap {VERSION}")
    raise typer.Exit


@app.callback()
def hotswap(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    """Streaming image inference whose model is replaced while it runs."""


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point `hotswap`; `argv` is what follows the program's name, the process' own where None."""
    sys.exit(run(app, argv))


if __name__ == "__main__":
    main()
