"""How every command of this project ends: an exit code, and at most one line that says what was wrong."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from fleet.errors import FleetError, ReleaseTaken, StoreUnusable, TwinChanged
from launch.printing import say
from models.errors import CacheUnusable, KeyUnusable, ReleaseError, TagMalformed, VettingFailed
from models.storage.errors import InvalidAddress, NoCredentials, NotWritten, StorageUnavailable
from transforms.pubsub.errors import PubSubRefused

OK = 0
FAILED = 1
USAGE_ERROR = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells report it


_REFUSED = (InvalidAddress, KeyUnusable, NoCredentials, PubSubRefused, ReleaseError, TagMalformed)
_FAILED = (CacheUnusable, NotWritten, ReleaseTaken, StorageUnavailable, StoreUnusable, TwinChanged, VettingFailed)


class CommandRefused(typer.TyperException):
    """A command that cannot begin, for a reason its user can mend: `run` prints it and answers code 2."""

    exit_code = USAGE_ERROR


class CommandFailed(typer.TyperException):
    """A command that began and could not go on: `run` prints it and answers code 1."""

    exit_code = FAILED


def run(app: typer.Typer, argv: Sequence[str] | None = None) -> int:
    """Run the command of `app` that `argv` asks for, and answer the exit code of the process.

    An unknown option, a bad value, a `CommandRefused` or what else the user can mend is one line on standard error,
    `error: ...`, and exit code 2: no usage text, no traceback. What a storage, a disk or the vetting process refuses on
    the way is such a line too, and exit code 1. A command that returns an integer or raises `typer.Exit` chooses its
    own code. An interrupt that the command does not handle answers 130. Any other exception is a fault of the program
    and passes through.

    Args:
        app: the commands.
        argv: the arguments without the program's name; those of this process where None.
    """
    command = typer.main.get_command(app)
    try:
        result = command.main(args=None if argv is None else list(argv), standalone_mode=False)
    except _REFUSED as error:
        return _told(str(error), USAGE_ERROR)
    except _FAILED as error:
        return _told(str(error), FAILED)
    except FleetError as error:  # of the other kinds
        return _told(str(error), USAGE_ERROR)
    except typer.TyperException as error:
        # Called without a command, a program of several has shown its help, and has nothing more to say.
        return _told(error.format_message() or "name a command", error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    return result if isinstance(result, int) else OK


def _told(message: str, exit_code: int) -> int:
    say(f"error: {' '.join(message.split())}", stderr=True)
    return exit_code
