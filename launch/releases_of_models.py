"""Releases that a verb makes for a fleet, of model files and of components that were packed elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from fleet.fleet import Fleet
from fleet.packing import ModelChanged, Packer, Recipe
from fleet.releases import Release
from fleet.taking_in import take_in
from launch.command_line import CommandFailed, CommandRefused
from launch.printing import say
from launch.quantizing import tracked
from launch.waiting import asking, working
from models.artefacts import EngineChoice
from models.components.component import TARGETS, checked_component_name
from models.errors import ComponentRefused, ModelRejected, QuantizedOtherwise, one_line
from models.reference import ModelReference
from models.releasing.packaging import component_name
from models.releasing.quantized import Telling
from models.releasing.shelf import Shelved
from models.storage import Told
from models.storage.schemes import AnyStorage
from models.vetting.session import vetting


class Releasing:
    """Makes releases, and tells how far it is.

    Args:
        fleet: that they are for.
        storage: reaches models, components and the shelf.
        stderr: where it is told.
        recipe: how components are made.
        job: the options that vetting takes, but for the engine.
    """

    def __init__(
        self, fleet: Fleet, storage: AnyStorage, stderr: Console, recipe: Recipe, job: Mapping[str, Any]
    ) -> None:
        self._fleet = fleet
        self._storage = storage
        self._stderr = stderr
        self._recipe = recipe
        self._job = job
        telling = Telling(partial(working, stderr), partial(tracked, stderr))
        self._packer = Packer(storage, fleet.releases, recipe, self._vetting, time.time, telling, _tell_writing)

    def of_component(self, archive: str) -> list[Release]:
        """Of an archive that `hotswap package` made.

        Raises:
            CommandRefused: there is no such file.
            CommandFailed: it is no component, or this machine fails.
            ReleaseTaken, VersionTaken, StorageUnavailable, StoreUnusable: as of `take_in`.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="hotswap-fleet-") as folder, asking(archive):
                shelf, releases = self._recipe.shelf, self._fleet.releases
                place = Path(folder)
                return [take_in(self._storage, releases, archive, shelf, place, time.time, _tell_writing)]
        except FileNotFoundError as error:
            raise CommandRefused(f"there is no file {archive}") from error
        except (ComponentRefused, ModelRejected) as refusal:
            raise CommandFailed(f"{archive} cannot be pushed: {refusal}") from refusal
        except OSError as error:
            raise CommandFailed(f"{archive} is not pushed: {one_line(error)}") from error

    def of_models(self, models: Sequence[str], name: str, every: bool) -> list[list[Release]]:
        """Of the first of these files that is valid, under the name; or of the newest of each other name, too.

        Args:
            models: addresses, the newest first.
            name: of the component that devices follow unless told otherwise.
            every: whether the others are asked for.

        Returns:
            for each component its releases, of one version, one for each target that devices have.

        Raises:
            CommandRefused: there is no such file, or no component can have the name.
            CommandFailed: none is valid, or this machine fails.
            ReleaseError: no component can have the name.
            ReleaseTaken, StorageUnavailable, NotWritten, StoreUnusable, VettingFailed: as of `Packer.release`.
        """
        try:
            checked_component_name(name)
        except ValueError as error:
            raise CommandRefused(f"{error}; give another --component") from error
        found: dict[str, list[Release]] = {}
        for model in models:
            try:
                vetted = self._vetted(model)
                own = name if not found else component_name(vetted[1])
                if own in found:
                    say(f"{model} is left out: a newer one has its name, {own}", stderr=True)
                    continue
                found[own] = self._packed(own, vetted[0])
            except FileNotFoundError as error:
                raise CommandRefused(f"there is no file {model}") from error
            except (ModelRejected, QuantizedOtherwise) as refusal:
                say(f"{model} is left out: {refusal}", stderr=True)
                continue
            except ModelChanged as error:
                raise CommandFailed(f"{model} changed while it was packaged; push it again") from error
            except OSError as error:
                raise CommandFailed(f"{model} is not packaged: {one_line(error)}") from error
            if not every:
                break
        if not found:
            which = models[0] if len(models) == 1 else f"none of {len(models)} models"
            raise CommandFailed(f"{which} cannot be packaged, and nothing was pushed")
        return list(found.values())

    def _vetted(self, model: str) -> tuple[ModelReference, str]:
        """Which bytes are at an address, and what their model is called."""
        with closing(self._storage.open(model)):  # vetting does not tell a file that is not there from a failure
            pass
        with working(self._stderr, f"vetting {model}"), self._vetting(self._recipe.engine) as vetter:
            vetted = vetter.vet(model)
        return ModelReference(model, vetted.reference.sha256), vetted.name

    def _packed(self, name: str, model: ModelReference) -> list[Release]:
        wanted = self._fleet.targets() or set(TARGETS[:1])
        releases, _ = self._packer.release(name, model, [each for each in TARGETS if each in wanted])
        return releases

    def _vetting(self, engine: EngineChoice) -> Any:
        return vetting(self._storage, engine, **self._job)


def _tell_writing(file: Shelved) -> Told:
    say(f"writing {file.uri} ({file.path.stat().st_size:,} bytes) …", stderr=True)
    return lambda written: None
