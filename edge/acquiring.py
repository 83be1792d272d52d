"""Bringing a release into a device's folder: its signature, its bytes, its files, and its model's answer."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from io import BufferedReader
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from edge.device_folder import DeviceFolder
from edge.device_state import DeviceState, Installed
from edge.fetching import Fetching
from edge.machine import target
from edge.probing import Prove, probe, probe_meanwhile
from edge.steps import At, Step
from edge.trials import is_named
from models.components.component import Component
from models.components.opening import open_component
from models.components.twin import DesiredModel
from models.errors import ComponentFault, ComponentRefused, FetchFailed, FetchFault
from models.signatures.statements import StatementMalformed, read_bundle
from models.storage.local import open_no_link
from models.trees import remove_whatever

if TYPE_CHECKING:  # it takes memory, and not every device trusts keys
    from models.signatures.bundles import DeviceKeys

_OF_OTHER_BYTES = "it was made for other bytes than the archive's"
_NOT_OURS = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EISDIR})
"""What opening says of what nobody fetched: it is gone, a link, a folder, a socket, or somebody else's."""


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
        prove: Prove = probe,
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
            raise ComponentRefused(ComponentFault.BAD_SIGNATURE, _OF_OTHER_BYTES)

    def why_untrusted(self, release: Installed, state: DeviceState) -> ComponentRefused | None:
        """Why a release that lies here would not be taken now; None where keys are trusted that signed it, or none are.

        Args:
            release: one that came by other keys, perhaps, or before there were any.
            state: says how its archive is signed now, where it still is desired.
        """
        if self._keys is None:
            return None
        signatures = [each.signature for each in state.desired if each.sha256 == release.sha256]
        refusal = None
        for signature in (*signatures, release.signature):
            try:
                signed = self._keys.signed_digest(signature).sha256
            except ComponentRefused as error:
                refusal = refusal or error
            else:
                if signed == release.sha256:
                    return None
                refusal = ComponentRefused(ComponentFault.BAD_SIGNATURE, _OF_OTHER_BYTES)
        return refusal

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

    def take_in(self, desired: DesiredModel, between: Callable[[], None] = lambda: None) -> Installed:
        """Unpacks an archive that was fetched, has its model answer, and puts it where it stays.

        Args:
            desired: which it is of.
            between: is called now and then while the model is asked; what it raises ends that.

        Raises:
            ComponentRefused: what is in it is not what it should be.
            FetchFailed: it is no longer what was fetched; it is to be fetched once more.
            ModelUnfit: its model does not answer here.
            OSError: of this machine.
        """
        with self._folder.unpacking(desired.sha256) as unpacked:
            with self._digested(desired) as archive:
                opened = open_component(archive, unpacked)
            component = opened.component
            _require_desired(component, desired)
            self._at(Step.UNPACKED)
            probe_meanwhile(self._prove, opened.vetted.artefact, between)
            self._at(Step.PROBED)
            manifest = opened.vetted.reference.sha256
            release = Installed(
                component.name, component.version, desired.sha256, manifest, component.model_id, desired.signature
            )
            self._folder.place(unpacked, release)
        if not self._folder.holds(release):
            raise _changed()
        return release

    @contextmanager
    def _digested(self, desired: DesiredModel) -> Iterator[Path]:
        """An archive by its open file, whose bytes have the digest that is desired, whatever takes its name meanwhile.

        Raises:
            FetchFailed: they have another, or others may write them.
        """
        archive = self._folder.archive(desired.sha256)
        try:
            file = open(archive, "rb", opener=open_no_link)  # noqa: SIM115 - closed below
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
            remove_whatever(archive)
            raise _changed() from error
        with file:
            if not _is_ours_alone(os.fstat(file.fileno())) or _digest(file) != desired.sha256:
                remove_whatever(archive)
                raise _changed()
            try:
                yield Path(f"/dev/fd/{file.fileno()}")
            finally:
                if _digest(file) != desired.sha256:  # a disk that loses bits, or somebody wrote meanwhile
                    remove_whatever(archive)
                    raise _changed()

    def prove_again(self, release: Installed) -> None:
        """Has a release that lies in its place answer once more; its files are held against its manifest again.

        Raises:
            ComponentRefused, ModelUnfit, OSError: as `take_in`.
        """
        with self._folder.unpacking(release.sha256) as copy:
            opened = open_component(self._folder.component(release), copy)
            probe_meanwhile(self._prove, opened.vetted.artefact, lambda: None)


def _digest(file: BufferedReader) -> str:
    file.seek(0)
    return file_digest(file, "sha256").hexdigest()


def _is_ours_alone(status: os.stat_result) -> bool:
    """Whether a plain file is this user's, and nobody else may write it."""
    others = stat.S_IWGRP | stat.S_IWOTH
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & others


def _changed() -> FetchFailed:
    return FetchFailed(FetchFault.WRONG_DIGEST, "what was fetched changed on this disk")


def _require_desired(component: Component, desired: DesiredModel) -> None:
    """Refuses a component in another's place, or another machine's: a signature says whose bytes it is, not for what.

    Raises:
        ComponentRefused: `other_component`.
    """
    if not is_named(component.name, component.version, desired):
        raise ComponentRefused(ComponentFault.OTHER_COMPONENT, f"its archive holds {component.title}")
    if component.target != target():
        raise ComponentRefused(
            ComponentFault.OTHER_COMPONENT, f"its archive is for {component.target}, and this machine is {target()}"
        )
