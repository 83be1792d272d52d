"""Which tests are for which file of the core: they have the same folders, and mostly the same names."""

from __future__ import annotations

from pathlib import Path

_TESTS = Path(__file__).parents[1]

MORE_TESTS: dict[str, tuple[str, ...]] = {
    "models/answering.py": ("transforms/test_inference.py",),
    "models/bringing_in.py": ("models/test_live.py", "models/live_trials"),
    "models/compute_threads.py": ("models/engines", "models/test_live.py"),
    "models/engines/turns.py": ("models/live_trials/test_side_by_side.py",),
    "models/errors.py": ("models/vetting", "docs"),
    "models/events.py": ("models/test_live.py", "transforms/test_metrics.py", "transforms/test_sinks.py"),
    "models/live_model.py": ("models/test_live.py", "models/test_quarantine.py"),
    "models/memory.py": ("models/test_swap_memory.py", "models/test_live.py"),
    "models/model_files.py": ("models/vetting", "models/releasing"),
    "models/releasing/quantized.py": ("launch/commands/test_publish_int8.py",),
    "models/releasing/release.py": ("models/releasing", "launch/commands/test_model_commands.py"),
    "models/moments.py": ("transforms/test_inference.py", "transforms/test_sinks.py"),
    "models/records.py": ("transforms/test_sinks.py", "transforms/test_inference.py", "transforms/test_reading.py"),
    "models/registry/cache.py": ("models/registry",),
    "models/serving.py": ("transforms/test_inference.py",),
    "models/signatures/bundles.py": ("fuzz/test_fuzz_signatures.py",),
    "models/signatures/statements.py": ("models/signatures/test_bundles.py", "fuzz/test_fuzz_signatures.py"),
    "models/storage/cloud.py": ("launch/commands/test_cloud_models.py",),
    "models/storage/object_reader.py": ("transforms/test_reading_buckets.py",),
    "models/storage/cloud_objects.py": ("models/storage/test_objects.py",),
    "models/storage/credentials.py": ("launch/commands/test_cloud_models.py",),
    "models/storage/local_writing.py": ("models/releasing",),
    "models/survey.py": ("launch/commands/test_models.py",),
    "models/vetting": ("models/vetting",),
    "transforms/beam_files.py": (
        "transforms/test_beam_files.py",
        "models/registry",
        "launch/commands/test_cloud_models.py",
    ),
    "transforms/beam_storage.py": ("models/registry", "launch/commands/test_cloud_models.py"),
    "transforms/image_bytes.py": ("transforms/test_reading.py", "transforms/test_reading_buckets.py"),
    "transforms/process.py": ("transforms/test_messages.py", "transforms/test_reading.py", "transforms/test_sinks.py"),
    "transforms/pubsub/attributes.py": ("transforms/test_sinks.py",),
    "transforms/results.py": ("transforms/test_sinks.py",),
    "transforms/feedback_source.py": ("end_to_end/test_feedback.py",),
    "transforms/watching.py": ("beam_pipeline", "end_to_end/test_triggered_side_inputs.py"),
}
"""Tests under `tests/` for a file, or a folder, that has none of its own name. Others get the tests of their folder."""


def chosen_for(file: str) -> list[str]:
    """The tests that are for a file of the core: those of its name and of the table, else those of its folder."""
    path = Path(file)
    mirrored = (_TESTS / path.parent).glob(f"test_{path.stem}*.py")
    own = [f"tests/{path.parent}/{test.name}" for test in sorted(mirrored) if _is_for(path.stem, test.stem)]
    for name in (file, str(path.parent)):
        own += [f"tests/{more}" for more in MORE_TESTS.get(name, ())]
    if found := [test for test in own if (_TESTS.parent / test).exists()]:
        return found
    folder = next(folder for folder in path.parents if any((_TESTS / folder).glob("test_*.py")))
    return sorted(f"tests/{folder}/{test.name}" for test in (_TESTS / folder).glob("test_*.py"))


def _is_for(stem: str, test: str) -> bool:
    """`test_live` and `test_live_edges` are for `live`; `test_livestock` is not."""
    return test == f"test_{stem}" or test.startswith(f"test_{stem}_")
