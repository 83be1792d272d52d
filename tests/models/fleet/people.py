"""People of a simulated fleet, who end trials and move the pointer by hand, now and then two at once."""

from __future__ import annotations

import random

from models.reference import ModelReference
from models.registry.pointer import LivePointer
from models.registry.registry import Registry, Terms
from models.storage.errors import StorageUnavailable
from tests.models.fleet.world import BAD, BY_HAND, PATTERN, Bucket, World, digest_of


def act(world: World, chance: random.Random, people: int) -> None:
    """So many people look at once, and then each does something: one of them is first, and the others are told so."""
    try:
        pointers = [_looked(world) for _ in range(people)]
    except StorageUnavailable:
        return
    done, certain = 0, True
    for pointer in pointers:
        try:
            done += _acts(world, pointer, chance)
        except StorageUnavailable:
            certain = False
    if done > 1 and certain:
        world.faults.append(f"at {world.now:.0f} {done} people were first")


def _looked(world: World) -> LivePointer:
    live = Registry(Bucket(world), PATTERN, Terms("auto", 10)).live
    live.look(mend=False)
    return live


def _acts(world: World, live: LivePointer, chance: random.Random) -> bool:
    pointer = live.pointer
    if pointer is None:
        return False
    match chance.choice(("promote", "abort", "move", "again")):
        case "promote":
            return live.end("promoted", BY_HAND, by=f"somebody {chance.random()}")
        case "abort":
            return live.end("rolled_back", BY_HAND, by=f"somebody {chance.random()}")
        case "again" if pointer.refused:
            live.try_again(chance.choice(sorted(pointer.refused)))  # two who say so say the same
        case "move":
            there = [
                ModelReference(uri, digest_of(file.content))
                for uri, file in sorted(world.files.items())
                if not file.content.startswith(BAD)
            ]
            return bool(there) and live.move(chance.choice(there), BY_HAND)
    return False
