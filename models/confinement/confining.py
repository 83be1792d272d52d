"""All layers of confinement, put on in the order in which each is still allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from models.confinement import landlock, places, privileges, system_calls


def confine(*, readable: Iterable[Path] = (), writable: Iterable[Path] = ()) -> list[str]:
    """Confines this process, which has one thread still and no libraries of strangers' loaded, for good.

    It keeps its interpreter and packages to read, and a few folders. It gives up its terminal, every capability, the
    network, other processes, and becoming another program.

    Args:
        readable: folders that it may read.
        writable: folders that it may read and write in.

    Returns:
        What this machine did not allow of it, a line each.
    """
    privileges.leave_terminal()
    privileges.dump_no_core()
    privileges.die_first()
    to_read, to_use, to_write = [*places.readable(), *readable], list(places.usable()), list(writable)
    return _refused(
        (
            privileges.leave_network,  # while there may be a capability to do so
            privileges.drop_privileges,
            partial(landlock.restrict, to_read, to_use, to_write),
            partial(system_calls.filter_system_calls, for_gpu=bool(places.gpus())),  # last: it forbids what others do
        )
    )


def _refused(layers: Iterable[Callable[[], None]]) -> list[str]:
    refused = []
    for layer in layers:
        try:
            layer()
        except (OSError, AttributeError) as error:  # AttributeError: another C library than Linux'
            refused.append(str(error))
    return refused
