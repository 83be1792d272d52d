"""A verdict belongs to its run: an earlier one goes when a run begins, and one that fails leaves why."""

from __future__ import annotations

from typing import Any, cast

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from models.errors import one_line
from models.moments import rfc3339
from studio.retraining.datasets import JsonFile

VERDICT = "verdict"


class VerdictOfEachRun:
    """Hooks of Kedro, for pipelines that end in a verdict."""

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Takes the verdict of an earlier run away."""
        if VERDICT in pipeline.outputs():
            cast(JsonFile, catalog[VERDICT]).remove()

    @hook_impl
    def on_pipeline_error(self, error: Exception, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Writes that the run failed, and why in one line."""
        if VERDICT in pipeline.outputs():
            failed: dict[str, Any] = {
                "verdict": "failed",
                "reason": type(error).__name__,
                "detail": one_line(error, 500),
            }
            catalog.save(VERDICT, failed | {"model_id": None, "time": rfc3339()})
