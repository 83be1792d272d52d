"""What a studio is told before it begins: where it listens, where it keeps what, and when it retrains by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.trials.terms import NO_TRIALS, TrialTerms
from serving.access import Access
from studio.places import Places
from studio.stream.config import Topics


@dataclass(frozen=True, slots=True)
class StudioConfig:
    """One studio.

    Attributes:
        places: its folders.
        topics: those of Pub/Sub that its stream reads and writes.
        database: where corrections are kept, as `Corrections.open` takes it: a file, or the URL of a server.
        access: where it listens, its TLS, and the tokens of which a person gives one to come in; none where it needs
            none. That strangers are kept out is for whoever makes this to require (`Access.require_closed`).
        port: 0 for one that is free.
        retrain_after: corrections since the last retraining began after which the next begins by itself.
        trial: on which terms new models are tried before they answer everything.
        trial_options: the same as options of the stream's job; none where none are tried.
        finish: seconds that the end may take: what the stream has read is answered, what is asked over HTTP too.
    """

    places: Places
    topics: Topics
    database: str
    access: Access = field(default_factory=Access)
    port: int = 8700
    retrain_after: int = 10
    trial: TrialTerms = NO_TRIALS
    trial_options: tuple[str, ...] = ()
    finish: float = 10.0
