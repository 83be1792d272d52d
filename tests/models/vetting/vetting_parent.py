"""A program that vets one model, to be killed amid it: `vetting_parent CACHE MODEL`."""

import sys
import threading
from pathlib import Path

from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting import Vetter

if __name__ == "__main__":
    vetter = Vetter(LocalStorage(), ArtefactCache(Path(sys.argv[1])))
    threading.Thread(target=vetter.vet, args=[sys.argv[2]]).start()
