"""Masks as files of their own, beside the results that name them."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from models.storage.errors import StorageUnavailable
from models.tasks import Mask
from transforms.beam_storage import BeamStorage
from transforms.sinks import SinkFailed

_LONGEST_STEM = 64
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class MaskFolder:
    """A folder of PNG files, one for each image and model.

    Attributes:
        path: a local folder, or `gs://…`.
    """

    path: str

    def put(self, mask: Mask, image: str, model_id: str) -> Mask:
        """Writes a mask, whole and in one step, and returns it with its address in place of its bytes.

        Who writes it again, as a runner does that tries a bundle again, writes the same file.

        Args:
            mask: of an image.
            image: its path, which only lends the file a part of its name.
            model_id: of the model that answered.

        Raises:
            SinkFailed: the local disk cannot take it.
            StorageUnavailable: another storage does not take it now; the runner tries again.
        """
        uri = f"{self._folder}/{mask_name(image, model_id)}"
        try:
            with tempfile.TemporaryDirectory(prefix="hotswap-mask-") as folder:
                whole = Path(folder) / "mask.png"
                whole.write_bytes(mask.png)
                BeamStorage().write(uri, whole)
        except (OSError, StorageUnavailable) as error:
            if isinstance(error, StorageUnavailable) and "://" in uri:
                raise
            raise SinkFailed(f"the mask {uri} cannot be written: {error}") from error
        return replace(mask, png=b"", uri=uri)

    @property
    def _folder(self) -> str:
        return self.path.rstrip("/") if "://" in self.path else str(Path(self.path).absolute())


def mask_name(image: str, model_id: str) -> str:
    """The file name of the mask of an image by a model: the same for the same, another for any other.

    Args:
        image: its path, of which letters, digits, `-` and `_` of the last part remain.
        model_id: of the model.
    """
    name = image.rpartition("/")[2]
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name.rpartition(".")[0] or name)[:_LONGEST_STEM]
    digest = hashlib.sha256(f"{model_id}\n{image}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{stem}-{digest}.png" if stem.strip("_") else f"{digest}.png"
