"""Prints what a trusted key says of a file, as a device finds it out, and the packages that it took.

`on_a_device.py PUBLIC_KEY SIGNATURE`
"""

from __future__ import annotations

import sys
from pathlib import Path

from models.signatures.bundles import DeviceKeys
from models.signatures.trusted import read_trusted
from models.storage.local import LocalStorage

if __name__ == "__main__":
    keys = DeviceKeys(read_trusted(LocalStorage(), [sys.argv[1]]))
    print(keys.signed_digest(Path(sys.argv[2]).read_bytes()).sha256)
    print(*sorted({name.partition(".")[0] for name, module in sys.modules.items() if module is not None}))
