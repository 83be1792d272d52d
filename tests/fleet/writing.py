"""Writing into twins as others do: by compare-and-swap, again where somebody else was faster."""

from __future__ import annotations

from collections.abc import Callable

from fleet.errors import TwinChanged
from fleet.twin_store import TwinStore
from models.components.twin import DesiredModel, Twin

_TRIES = 20


def change_desired(store: TwinStore, device: str, change: Callable[[Twin], tuple[DesiredModel, ...]]) -> Twin:
    """Reads a twin, changes what is desired and writes it; again, where somebody else was faster.

    Args:
        change: answers all that is to be desired; it is asked again for each try. Where that is what there is,
            nothing is written.

    Returns:
        the twin as it is now.

    Raises:
        TwinChanged: twenty times somebody else was faster.
        NoSuchDevice, StoreUnusable: as of `TwinStore.read`.
    """
    for _ in range(_TRIES):
        twin = store.read(device)
        models = tuple(each.without_url() for each in change(twin))
        if models == twin.models:
            return twin
        try:
            return store.write_desired(device, models, twin.etag)
        except TwinChanged:
            continue
    raise TwinChanged(f"what {device} is to run is changed by others all the time; try again")


def write_model(store: TwinStore, device: str, model: DesiredModel) -> Twin:
    """Has a device run a component in the place of that of its name; others and their order stay as they are.

    Returns, raises:
        as `change_desired`.
    """
    return change_desired(store, device, lambda twin: twin.with_model(model))


def remove_model(store: TwinStore, device: str, name: str) -> Twin:
    """Has a device run no component of a name any more; others and their order stay as they are.

    Returns, raises:
        as `change_desired`.
    """
    return change_desired(store, device, lambda twin: tuple(each for each in twin.models if each.name != name))
