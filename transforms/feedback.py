"""True labels of images that were answered while a model was tried: read, brought to their answers, and noted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.coders import PickleCoder
from apache_beam.io import PubsubMessage
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from models.errors import ImageError, ImageFault
from models.records import REPLAY_OF, DeadLetter
from models.serving import ServingConfig
from models.trials.gist import gist_of
from models.trials.labelling import KEPT_SECONDS, AnswerGiven, Waiting, answer_given, note_label
from transforms import metrics
from transforms.messages import origin_of
from transforms.outputs import DEAD_LETTERS
from transforms.process import THE_JOB, JobRun
from transforms.windowing import SideInputMode

_MOST_BYTES = 64 << 10
_LONGEST_ID = 256
_LONGEST_LABEL = 1024
_EXPECTED = 'expected is {"message_id": "…", "label": "…"}'


class ParseFeedback(beam.PTransform):
    """`PubsubMessage` → `(message_id, label)`; what tells no label goes to the output `dead_letters`.

    A message is a JSON object with the texts `message_id`, of the message that named the image, and `label`; or it has
    no payload, and attributes of these names. More fields change nothing.

    Dead letters have stage `message` and error `bad_feedback`, and carry the first 64 KiB of the payload.
    """

    def __init__(self, run: JobRun = THE_JOB) -> None:
        super().__init__()
        self._run = run

    def expand(self, messages: beam.PCollection) -> Any:
        return messages | "Parse" >> beam.ParDo(_Parse(self._run)).with_outputs(DEAD_LETTERS, main="labels")


@beam.typehints.with_input_types(PubsubMessage)
@beam.typehints.with_output_types(tuple[str, str])
class _Parse(beam.DoFn):
    def __init__(self, run: JobRun) -> None:
        super().__init__()
        self._run = run

    def process(self, message: PubsubMessage) -> Iterator[tuple[str, str] | TaggedOutput]:
        meter = self._run.here.meter
        meter.count(metrics.FEEDBACK_IN)
        payload, attributes = message.data or b"", dict(message.attributes or {})
        try:
            yield _told(payload, attributes)
        except ValueError as error:
            meter.count_dead_letter("message", ImageFault.BAD_FEEDBACK)
            letter = DeadLetter(
                None, payload[:_MOST_BYTES], "message", ImageFault.BAD_FEEDBACK, str(error), origin_of(message)
            )
            yield TaggedOutput(DEAD_LETTERS, letter)


def _told(payload: bytes, attributes: Mapping[str, str]) -> tuple[str, str]:
    """The message id and the label that a message tells.

    Raises:
        ValueError: it tells none; says why in one line.
    """
    told: Any = _parsed(payload) if payload else attributes
    if not isinstance(told, Mapping):
        raise ValueError(f"the payload is no JSON object; {_EXPECTED}")
    message_id = _text(told, "message_id", _LONGEST_ID)
    if not message_id:
        raise ValueError(f"`message_id` is empty; {_EXPECTED}")
    return message_id, _text(told, "label", _LONGEST_LABEL)


def _parsed(payload: bytes) -> Any:
    if len(payload) > _MOST_BYTES:
        raise ValueError(f"more than {_MOST_BYTES} bytes; {_EXPECTED}")
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the payload is no JSON; {_EXPECTED}") from error


def _text(told: Mapping[str, Any], name: str, longest: int) -> str:
    text = told.get(name)
    if not isinstance(text, str):
        raise ValueError(f"`{name}` is {'no text' if name in told else 'missing'}; {_EXPECTED}")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:  # half a character: no key of a runner, and no label of a model
        raise ValueError(f"`{name}` cannot be written as UTF-8") from error
    if size > longest:
        raise ValueError(f"`{name}` has {size} bytes; at most {longest} are taken")
    return text


class NoteLabels(beam.PTransform):
    """Brings labels to the answers of the trial under way, whichever comes first, and notes who was right.

    An answer waits for its label for an hour, and a label for its answer; while nothing is tried, no label waits. Where
    images are read by one process, they wait in its memory: the bundle-based DirectRunner keeps something of every key
    for good, and looks at all of them with each bundle. Elsewhere any worker may read either, and they wait in Beam's
    state.

    Args:
        config: which models are served, and how.
        mode: how the runner must be given side inputs.
        run: whose evidence it is.
    """

    def __init__(self, config: ServingConfig, mode: SideInputMode, run: JobRun = THE_JOB) -> None:
        super().__init__()
        self._config = config
        self._mode = mode
        self._run = run

    def expand(self, both: tuple[beam.PCollection, beam.PCollection]) -> beam.PCollection:
        """Takes `PredictionResult`s and `(message_id, label)`s; yields nothing."""
        predictions, labels = both
        if self._mode is SideInputMode.WINDOWED:
            _ = labels | "LabelsHere" >> beam.ParDo(_LabelsHere(self._run, self._config))
            return predictions | "AnswersHere" >> beam.ParDo(_AnswersHere(self._run, self._config))
        answers = predictions | "Answers" >> beam.FlatMap(_answer_of).with_output_types(tuple[str, Any])
        keyed = labels | "Labels" >> beam.ParDo(_LabelsOf(self._run, self._config)).with_output_types(tuple[str, Any])
        return (answers, keyed) | "Together" >> beam.Flatten() | "Join" >> beam.ParDo(_Join(self._run, self._config))


def _answer_of(result: PredictionResult) -> Iterator[tuple[str, AnswerGiven]]:
    """What was answered, by each id under which a label may be told: of a replay also that of the message before."""
    answer, origin = result.inference, result.example.origin
    if answer.tried is None or isinstance(answer.outcome, ImageError):
        return
    given = answer_given(answer.tried, gist_of(answer.outcome))
    if given is not None:
        for message_id in {origin.message_id, origin.attributes.get(REPLAY_OF, "")} - {""}:
            yield message_id, given


class _Notes(beam.DoFn):
    """Counts a label that has met its answer, and notes it."""

    def __init__(self, run: JobRun, config: ServingConfig) -> None:
        super().__init__()
        self._run = run
        self._config = config

    def note(self, image: Waiting) -> None:
        here = self._run.here
        gathering = here.serving(self._config).gathering
        trial = gathering.trial
        for each in here.labels.due(image, trial.number if trial is not None else None):
            if note_label(gathering, each):
                here.meter.count(metrics.FEEDBACK_NOTED)

    def is_of_use(self) -> bool:
        """Whether labels are kept: not where this process knows that nothing is tried."""
        serving = self._run.here.serving(self._config)
        return serving.gathering.trial is not None or serving.live.peek() is None


class _LabelsOf(_Notes):
    def process(self, labelled: tuple[str, str]) -> Iterator[tuple[str, Any]]:
        if self.is_of_use():
            yield labelled


class _NotesHere(_Notes):
    def join(self, message_id: str, came: AnswerGiven | str) -> None:
        image = self._run.here.labels.join(message_id, came)
        if image is not None:
            self.note(image)


class _LabelsHere(_NotesHere):
    def process(self, labelled: tuple[str, str]) -> None:
        if self.is_of_use():
            self.join(*labelled)


class _AnswersHere(_NotesHere):
    def process(self, result: PredictionResult) -> None:
        for answered in _answer_of(result):
            self.join(*answered)


class _Join(_Notes):
    WAITING = ReadModifyWriteStateSpec("waiting", PickleCoder())
    # The watermark stays where the older of both backlogs is, and would keep all that comes meanwhile.
    OVER = TimerSpec("over", TimeDomain.REAL_TIME)

    def process(
        self,
        keyed: tuple[str, AnswerGiven | str],
        waiting: Any = beam.DoFn.StateParam(WAITING),
        over: Any = beam.DoFn.TimerParam(OVER),
    ) -> None:
        before = waiting.read()
        if before is None:
            over.set(Timestamp.of(time.time() + KEPT_SECONDS))
        after = (before or Waiting()).joined_by(keyed[1])
        if after is not before:
            waiting.write(after)
            if after.is_whole:
                self.note(after)

    @on_timer(OVER)
    def forget(self, waiting: Any = beam.DoFn.StateParam(WAITING)) -> None:
        waiting.clear()
