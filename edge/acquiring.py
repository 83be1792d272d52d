"""Bringing a release into a device's folder: its signature, its bytes, its files, and its model's answer."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TYPE_CHECKING

from edge.device_folder import DeviceFolder
from edge.device_state import Installed
from edge.fetching import Fetching
from edge.machine import target
from edge.probing import probe
from edge.steps import At, Step
from models.artefacts import Artefact
from models.components.component import Component
from models.components.opening import open_component
from models.components.twin import DesiredModel
from models.errors import ComponentFault, ComponentRefused, FetchFailed, FetchFault
from models.reference import sha256_of
from models.signatures.statements import StatementMalformed, read_bundle

if TYPE_CHECKING:  # it takes memory, and not every device trusts keys
    from models.signatures.bundles import DeviceKeys

_UNTOLD_VERSION = "0.0.0"
"""What stands in a twin that tells none."""


class Acquirer:
    """Brings releases into a folder. One thread uses it.

    Args:
        folder: of the device.
        fetching: downloads archives.
        keys: by which archives must be signed; None where the server is trusted to choose them.
        prove: has a model answer, see `edge.probing.probe`.
        at: is told of steps.
    """

    def __init__(
        self,
        folder: DeviceFolder,
        fetching: Fetching,
        keys: DeviceKeys | None = None,
        prove: Callable[[Artefact], None] = probe,
        at: At = lambda step: None,
    ) -> None:
        self._folder = folder
        self._fetching = fetching
        self._keys = keys
        self._prove = prove
        self._at = at

    def verify(self, desired: DesiredModel) -> None:
        """Refuses what nobody signed who is trusted, before a byte of it is fetched.

        Where no keys are trusted, it may be unsigned; a signature that is of other bytes is refused all the same.

        Raises:
            ComponentRefused: `unsigned` or `bad_signature`.
        """
        if self._keys is not None:
            signed = self._keys.signed_digest(desired.signature).sha256
        elif desired.signature is None:
            return
        else:
            try:
                signed = read_bundle(desired.signature).sha256()
            except StatementMalformed as error:
                raise ComponentRefused(ComponentFault.BAD_SIGNATURE, str(error)) from error
        if signed != desired.sha256:
            raise ComponentRefused(ComponentFault.BAD_SIGNATURE, "it was made for other bytes than the archive's")

    def fetch(self, desired: DesiredModel, stop: Event, told: Callable[[int], None]) -> None:
        """Has an archive lie in the folder, whole and with the digest that is desired.

        Args:
            desired: with its address.
            stop: ends it; the next call goes on.
            told: is given how many bytes lie there, now and then; what it raises ends it too.

        Raises:
            FetchFailed: it cannot be had now.
            FetchStopped: `stop` was set.
            OSError: of this machine; a full disk, say.
        """
        self._folder.require_room(desired.size, desired.sha256)
        archive = self._folder.archive(desired.sha256)
        self._fetching.fetch(desired.url, desired.sha256, desired.size, archive, stop, told)
        self._at(Step.FETCHED)

    def take_in(self, desired: DesiredModel) -> Installed:
        """Unpacks an archive that was fetched, has its model answer, and puts it where it stays.

        Raises:
            ComponentRefused: what is in it is not what it should be.
            FetchFailed: it is no longer what was fetched; it is to be fetched once more.
            ModelUnfit: its model does not answer here.
            OSError: of this machine.
        """
        archive = self._folder.archive(desired.sha256)
        with self._folder.unpacking(desired.sha256) as unpacked:
            try:
                opened = open_component(archive, unpacked)
            except ComponentRefused as refusal:
                if not archive.exists() or sha256_of(archive) != desired.sha256:  # a disk that loses bits
                    archive.unlink(missing_ok=True)
                    raise FetchFailed(FetchFault.WRONG_DIGEST, "what was fetched changed on this disk") from refusal
                raise
            component = opened.component
            _require_desired(component, desired)
            self._at(Step.UNPACKED)
            self._prove(opened.vetted.artefact)
            self._at(Step.PROBED)
            manifest = opened.vetted.reference.sha256
            release = Installed(component.name, component.version, desired.sha256, manifest, component.model_id)
            self._folder.place(unpacked, release)
        return release

    def prove_again(self, release: Installed) -> None:
        """Has a release that lies in its place answer once more; its files are held against its manifest again.

        Raises:
            ComponentRefused, ModelUnfit, OSError: as `take_in`.
        """
        with self._folder.unpacking(release.sha256) as copy:
            opened = open_component(self._folder.component(release), copy)
            self._prove(opened.vetted.artefact)


def _require_desired(component: Component, desired: DesiredModel) -> None:
    """Refuses a component in another's place, or another machine's: a signature says whose bytes it is, not for what.

    Raises:
        ComponentRefused: `other_component`.
    """
    versions = {component.version, _UNTOLD_VERSION}
    if component.name != desired.name or desired.version not in versions:
        raise ComponentRefused(ComponentFault.OTHER_COMPONENT, f"its archive holds {component.title}")
    if component.target != target():
        raise ComponentRefused(
            ComponentFault.OTHER_COMPONENT, f"its archive is for {component.target}, and this machine is {target()}"
        )
