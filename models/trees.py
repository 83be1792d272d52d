"""Folders that a stranger filled, and how they are removed however deep they are."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path


def remove_whatever(path: Path) -> None:
    """Removes a folder and all in it, or what else is there; nothing may be.

    Raises:
        OSError: it is no folder, and cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)


def remove_tree(folder: Path) -> None:
    """Removes a folder and all in it; what cannot be removed stays.

    `shutil.rmtree` follows folders by recursion, and gives up where they are deeper than Python nests calls. Here each
    is moved up first, so that no path grows long either.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    numbers = itertools.count()
    folders = [folder]
    for each in folders:
        with contextlib.suppress(OSError):
            for inner in list(each.iterdir()):
                with contextlib.suppress(OSError):
                    if inner.is_dir() and not inner.is_symlink():
                        folders.append(inner.rename(folder / f".moved-{next(numbers)}"))
                    else:
                        inner.unlink()
    for each in reversed(folders):
        with contextlib.suppress(OSError):
            each.rmdir()
