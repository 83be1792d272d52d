"""The pipelines by the names that `kedro run --pipeline NAME` takes."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from studio.retraining.pipelines import de, ds, ft


def register_pipelines() -> dict[str, Pipeline]:
    """Each by its name; `__default__` and `tuning` go all the way from corrections to the gate."""
    engineering, science, tuning = de.pipeline(), ds.pipeline(), ft.pipeline()
    return {
        "de": engineering,
        "ds": science,
        "ft": tuning,
        "__default__": engineering + science,
        "tuning": engineering + tuning,
    }
