"""The command line that a studio's job is given is one that the job takes."""

from __future__ import annotations

from pathlib import Path

from beam_pipeline.options import parse_options
from studio.places import Places
from studio.stream.config import StreamConfig
from tests.studio.stream.one_studio import TOPICS


def test_the_job_understands_its_command_line(tmp_path: Path) -> None:
    places = Places(tmp_path / "studio", tmp_path / "models")
    command = StreamConfig(places, TOPICS).command()

    assert command[1:3] == ["-m", "beam_pipeline"]
    _, job, _ = parse_options(command[3:])
    assert (job.input_subscription, job.output_topic) == (TOPICS.subscription, TOPICS.results)
    assert (job.dead_letter_topic, job.model_events_topic) == (TOPICS.dead_letters, TOPICS.model_events)
    assert (job.model_pattern, job.model_poll_seconds) == (f"{tmp_path}/models/*", 1)
    assert job.image_prefix == (str(places.drawings), str(places.images))
    assert (job.registry, job.max_batch_wait_ms) == (str(places.registry), 0)
    assert (job.trial, job.feedback_subscription) == ("none", None)


def test_a_job_that_tries_new_models_is_told_what_images_show(tmp_path: Path) -> None:
    places = Places(tmp_path / "studio", tmp_path / "models")
    command = StreamConfig(places, TOPICS, ("--trial=canary:50%/10", "--trial_max_failures=2%")).command()

    _, job, _ = parse_options(command[3:])
    assert (job.trial, job.trials.limits.max_failures) == ("canary:50%/10", 0.02)
    assert (job.feedback_subscription, job.trials.needs_labels) == (TOPICS.labels_subscription, True)
