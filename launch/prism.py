"""`python -m launch.prism`: builds Prism, Beam's local portable streaming runner, and prints where it is.

It runs the SDK harness that Dataflow runs, and is for tests: it has no Pub/Sub source.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import typer
from apache_beam.version import __version__ as beam_version

from launch.command_line import CommandFailed, CommandRefused, run

PACKAGE = "github.com/apache/beam/sdks/v2/go/cmd/prism"
_USUAL_GO = Path("/usr/local/go/bin/go")
_BUILD_SECONDS = 1800

app = typer.Typer(add_completion=False)


@app.command()
def prism() -> None:
    """Builds Prism of the installed Beam's version with Go, unless that is done, and prints its path."""
    if not binary().exists():
        print(f"building Prism {beam_version} with Go: a minute or two, once", file=sys.stderr)
    print(build())


def go() -> Path | None:
    """The `go` command on this machine; None where there is none."""
    found = shutil.which("go")
    if found:
        return Path(found)
    return _USUAL_GO if _USUAL_GO.exists() else None


def binary() -> Path:
    """Where Prism of the installed Beam's version is, once built.

    Not in the cache of compiled models: that one forgets what is longest unused.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "hotswap-tools" / f"prism-{beam_version}" / "prism"


def build() -> Path:
    """Builds Prism unless it is there, and answers its path. Appears by one rename, so two builds do not clash.

    Raises:
        CommandRefused: there is no Go.
        CommandFailed: Go could not build it.
    """
    target = binary()
    if target.exists():
        return target
    command = go()
    if command is None:
        raise CommandRefused("Go is not on the PATH; Prism is built by it")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            subprocess.run(
                [str(command), "install", f"{PACKAGE}@v{beam_version}"],
                env=os.environ | {"GOBIN": folder},
                check=True,
                capture_output=True,
                text=True,
                timeout=_BUILD_SECONDS,
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise CommandFailed(f"Go could not build Prism {beam_version}: {last}") from error
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"Go was still building Prism after {_BUILD_SECONDS} s") from error
        Path(folder, "prism").rename(target)
    return target


if __name__ == "__main__":
    sys.exit(run(app))
