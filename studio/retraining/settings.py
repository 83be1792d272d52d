"""What Kedro reads of this project before a run."""

import os

from kedro.config import OmegaConfigLoader

from studio.retraining.progress_hooks import ProgressOfEachRun
from studio.retraining.verdicts import VerdictOfEachRun

# Else TensorFlow speaks of processors and drivers among the lines that tell how far a run is.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

HOOKS = (VerdictOfEachRun(), ProgressOfEachRun())
# Where it is installed all the same, it is told nothing; `.telemetry` says so to the command line too.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-telemetry",)
CONFIG_LOADER_CLASS = OmegaConfigLoader
# There is one configuration; `--params` changes it for a run.
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "base"}
