"""A vetting child that rejects whatever it is given, and tells which GPUs it would have computed on."""

import os
from pathlib import Path

from models.artefacts import Manifest
from models.errors import ModelFault, ModelRejected
from models.vetting import child, examination
from models.vetting.job import Job


def tell(job: Job, built: Path) -> Manifest:
    raise ModelRejected(ModelFault.NOT_A_MODEL, f"GPUs: {os.environ.get('CUDA_VISIBLE_DEVICES', 'all')}")


if __name__ == "__main__":
    examination.examine = tell
    child.main()
