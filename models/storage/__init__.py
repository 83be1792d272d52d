"""Where model files are: on this machine's disks, in Cloud Storage, or wherever a caller reaches.

Google's client is imported where a `gs://` address first asks for it, and needs to be installed only then.
"""

from models.storage.files import ReadableFile, Storage, StoredFile, Told, WritableStorage, newest_first
from models.storage.local import LocalStorage, is_being_written

__all__ = [
    "LocalStorage",
    "ReadableFile",
    "Storage",
    "StoredFile",
    "Told",
    "WritableStorage",
    "is_being_written",
    "newest_first",
]
