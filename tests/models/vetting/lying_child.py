"""A vetting child that has been taken over: it answers with the verdict of other bytes, `lying_child MANIFEST`."""

import json
import sys
from pathlib import Path

from models.artefacts import Manifest
from models.vetting.job import say_begun, write_verdict

if __name__ == "__main__":
    workspace = Path.cwd()
    sys.stdin.readline()
    say_begun(workspace, 0, [])
    manifest = json.loads(Path(sys.argv[1]).read_text())
    del manifest["digests"]  # which are the cache's
    write_verdict(workspace, Manifest.from_json(manifest))
