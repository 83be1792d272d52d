"""What the job of a studio reads and writes, and its command line."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from studio.places import Places


@dataclass(frozen=True, slots=True)
class Topics:
    """The full names that the studio and its job share; whatever is missing is made.

    Attributes:
        images: `projects/P/topics/T`, where paths of images are published.
        subscription: `projects/P/subscriptions/S` to it, which the job reads.
        results, dead_letters, model_events: topics of what the job tells.
        labels: where true labels of answers are published, while models are tried.
        labels_subscription: to it, which the job reads then.
    """

    images: str
    subscription: str
    results: str
    dead_letters: str
    model_events: str
    labels: str
    labels_subscription: str


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """One job.

    Attributes:
        places: where images and models lie, and where its log is kept.
        topics: where it reads and writes.
        trial_options: of its own options those by which new models are tried; none where none are. What images show in
            truth is told to a job that has some.
        longest_silence: seconds in which a job that runs answers nothing of what was asked, before it counts as hung.
    """

    places: Places
    topics: Topics
    trial_options: tuple[str, ...] = ()
    longest_silence: float = 60.0

    def command(self) -> list[str]:
        """The job's command line. It waits for no batch to fill: what comes meanwhile is a batch by itself."""
        places, topics = self.places, self.topics
        return [
            *(sys.executable, "-m", "beam_pipeline"),
            f"--input_subscription={topics.subscription}",
            f"--output_topic={topics.results}",
            f"--dead_letter_topic={topics.dead_letters}",
            f"--model_events_topic={topics.model_events}",
            f"--model_pattern={places.pattern}",
            "--model_poll_seconds=1",
            f"--registry={places.registry}",
            f"--image_prefix={places.drawings}",
            f"--image_prefix={places.images}",
            *self.trial_options,
            *([f"--feedback_subscription={topics.labels_subscription}"] if self.trial_options else []),
        ]
