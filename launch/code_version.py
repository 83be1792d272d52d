"""Which code this is: its distribution, the checkout that it runs from, and the Git commit of that."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from models.version import VERSION

ROOT = Path(__file__).resolve().parent.parent
DISTRIBUTION = "hotswap-inference"
_GIT_SECONDS = 10


def setup_file() -> Path | None:
    """The `setup.py` that packages this code; None where the code was installed without it."""
    path = ROOT / "setup.py"
    return path if path.is_file() else None


def commit() -> str | None:
    """The first 12 digits of the commit, `-dirty` where files differ from it; None without Git or a repository."""
    head = _git("rev-parse", "--short=12", "HEAD")
    if head is None:
        return None
    return f"{head}-dirty" if _git("status", "--porcelain", "--untracked-files=no") else head


def labels() -> dict[str, str]:
    """The version of the code as labels of a job."""
    described = {"hotswap-version": re.sub(r"[^a-z0-9_-]", "-", VERSION.lower())}
    head = commit()
    return described | ({"hotswap-commit": head} if head else {})


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True, timeout=_GIT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
