"""Has Kedro tell how far a run is."""

from __future__ import annotations

import logging
import os

from kedro.framework.hooks import hook_impl
from kedro.pipeline.node import Node

from studio.retraining.progress import PROGRESS, SAID, ProgressLines


class ProgressOfEachRun:
    """Hooks of Kedro."""

    def __init__(self) -> None:
        self._lines: ProgressLines | None = None

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Begins to tell, where it is asked for."""
        if self._lines is None and (number := os.environ.get(PROGRESS)):
            self._lines = ProgressLines(int(number))
            logging.getLogger(SAID).addHandler(self._lines)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Tells which step begins."""
        if self._lines is not None:
            self._lines.begin(node.name)
