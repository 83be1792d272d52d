"""An uploaded model file, vetted in the confined child, and the very bytes of it that are published."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from models.artefacts import Vetted
from models.model_files import needs_keras
from models.printable import printable
from models.reference import sha256_of
from models.releasing import Prepared, prepare
from models.releasing.destination import Destination, model_stem
from models.storage import StoredFile
from models.storage.errors import NameTaken
from models.storage.local import stored_file
from models.storage.schemes import AnyStorage
from models.survey import Surveyed
from models.vetting import Vetter
from studio.errors import StudioRefused, Trouble
from studio.shelf.refusals import told_of_storage

SUFFIXES = (".h5", ".keras", ".onnx")
"""Of files that may be uploaded."""
_LONGEST_NAME = 120
_AGAIN = "nothing was published; upload the file again"


@dataclass(frozen=True, slots=True)
class UploadName:
    """What an uploaded file is called.

    Attributes:
        shown: to people; data, whatever it contains.
        stored: its name on this disk: no folder, no control character, no pattern, and short.
    """

    shown: str
    stored: str

    @classmethod
    def read(cls, text: str) -> UploadName:
        """The name that a stranger gave, of which folders are left out.

        Raises:
            StudioRefused: BAD_REQUEST; it does not end as a model's does.
        """
        own = text.replace("\\", "/").rpartition("/")[2]
        suffix = PurePosixPath(f"x{own}").suffix.lower()
        if suffix not in SUFFIXES:
            wanted = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            raise StudioRefused(Trouble.BAD_REQUEST, f"a model's file ends in {wanted}; save the model as one of these")
        shown = printable(own)
        if len(shown) > _LONGEST_NAME:
            shown = f"{shown[: _LONGEST_NAME - len(suffix) - 1]}…{suffix}"
        return cls(shown, f"{model_stem(own)}{suffix}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may be published.

    Attributes:
        prepared: its file here, and the address that it will have.
        vetted: what was found out about these bytes, under the reference that they will have.
    """

    prepared: Prepared
    vetted: Vetted

    @classmethod
    def vet(cls, file: Path, folder: Path, storage: AnyStorage, vetter: Vetter) -> Candidate:
        """Vets a file; what is published of it lies beside it afterwards, under the name that it will have.

        A model that has no name in its card gets its file's, as `hotswap publish` gives it, and is vetted again then:
        no byte is published that was not vetted.

        Args:
            file: the model's, which nobody has looked at yet.
            folder: where the stream looks for models.
            storage: reaches both.
            vetter: its children are ended by whoever ends the vetting.

        Raises:
            ModelRejected: with the reason.
            VettingFailed, StorageUnavailable, ImportError, OSError: from this machine; nothing was found out.
            VettingStopped: somebody has ended it.
        """
        vetter.prepare(keras=needs_keras(file.name))
        vetter.vet(str(file))  # in the child, before this process opens a file that a stranger made
        with prepare(storage, str(file), Destination(str(folder), None), {}) as prepared:
            vetted = prepared.vet(vetter)
            kept = file.with_name(prepared.path.name)
            shutil.move(prepared.path, kept)
        return cls(Prepared(kept, prepared.uri), vetted)

    @property
    def surveyed(self) -> Surveyed:
        """As one of the stream's models, though it is none yet."""
        file = stored_file(str(self.prepared.path))
        uri = self.vetted.reference.uri
        return Surveyed(replace(file, uri=uri) if file else StoredFile(uri, 0, 0.0, "", finished=True), self.vetted)

    def publish(self, storage: AnyStorage) -> str:
        """Puts it where the stream finds it, whole, in one step and in nobody's place.

        Returns:
            The model_id that its results will bear.

        Raises:
            StudioRefused: DISK_FULL or NOT_POSSIBLE; nothing was published.
        """
        reference = self.vetted.reference
        with told_of_storage("nothing was published"):
            try:
                if sha256_of(self.prepared.path) != reference.sha256:
                    line = f"the file has other bytes than those that were vetted, and {_AGAIN}"
                    raise StudioRefused(Trouble.NOT_POSSIBLE, line)
                self.prepared.put(storage, lambda size: None)
            except FileNotFoundError as error:
                raise StudioRefused(Trouble.NOT_POSSIBLE, f"the uploaded file is gone, and {_AGAIN}") from error
            except NameTaken as error:
                if sha256_of(Path(reference.uri)) != reference.sha256:
                    line = f"there is another file {PurePosixPath(reference.uri).name} already; {_AGAIN}"
                    raise StudioRefused(Trouble.NOT_POSSIBLE, line) from error
        return reference.model_id
