"""The core of the server: from what a client asks, in whatever protocol, to its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from models.errors import ModelsClosed, NoModelAnswers, one_line
from models.events import ModelEvent
from models.images.decoding import DecodeLimits
from models.live import LiveModel
from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from serving.admission import Admission, Room
from serving.asking import Answer, Asked, Code, Refused, version_of
from serving.batching import Batcher
from serving.metrics import Metrics, Standing
from serving.preparing import Job, Preparer, require_fit
from serving.reader import Reader
from serving.statuses import Statuses, Whereabouts
from serving.telemetry.call import current_call

_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class CoreConfig:
    """What a server does, beside its protocols.

    Attributes:
        models: which models are served, and how.
        name: under which clients know whichever of them is live.
        batch_wait: seconds that a request waits for others while nothing else is done.
        room: what may be under way at once.
        longest: seconds that a request may take whose client sets no deadline, or a later one.
        limits: what an image may cost.
        exact: never decode a large image at reduced size.
    """

    models: ServingConfig
    name: str = "default"
    batch_wait: float = 0.0
    room: Room = field(default_factory=Room)
    longest: float = 60.0
    limits: DecodeLimits = field(default_factory=DecodeLimits)
    exact: bool = False


class Core:
    """Answers requests with the live model: a request by the one that was live when it came.

    Its coroutines belong to one event loop; threads of its own prepare, compute and watch the folder.

    Args:
        config: what it does.
        storage: reaches models and registry.

    Raises:
        As `models.serving.Serving`.
    """

    def __init__(self, config: CoreConfig, storage: AnyStorage) -> None:
        self.config = config
        self.name = config.name
        self._admission = Admission(config.room)
        self._reader = Reader(config.models, storage, self._heard)
        self.statuses = Statuses(self._whereabouts)
        self.metrics = Metrics(self._standing)
        largest = config.models.max_batch_size
        self._batcher = Batcher(self._reader.models, largest, config.batch_wait, self._again, self._batched)
        self._preparer = Preparer(config.limits, config.exact, self._batcher.put)
        self._draining = False
        self._reader.start()

    @property
    def is_ready(self) -> bool:
        """Whether a model is live and requests are welcome."""
        return self.live is not None and not self._draining

    @property
    def live(self) -> LiveModel | None:
        """The model that answers now."""
        return self._reader.live()

    @property
    def under_way(self) -> int:
        """How many images are."""
        return self._admission.images

    async def wait_until_ready(self) -> None:
        """Returns once a model is live."""
        while self.live is None:
            await asyncio.sleep(_LOOK_SECONDS)

    def drain(self) -> None:
        """Is not ready any more, and answers nevertheless."""
        self._draining = True

    def close(self) -> None:
        """Ends batches, models and whatever they do; what waits is refused. Takes a moment: not on the event loop."""
        self._batcher.close()
        self._preparer.close()
        self._reader.close()

    async def answer(self, asked: Asked, protocol: str) -> Answer:
        """The answer of one model to all of a request.

        Cancelling it has what is not begun yet be left alone.

        Args:
            asked: by a client.
            protocol: that it speaks, for the metrics.

        Raises:
            Refused: there is none, and why.
        """
        began = time.monotonic()
        call = current_call()
        if call is not None:
            call.protocol = protocol
            call.rows = asked.rows
        try:
            answer = await self._answer(asked, began)
        except Refused as refused:
            self.refused(refused, protocol)
            raise
        except asyncio.CancelledError:
            self.metrics.abandoned(protocol)
            raise
        self.metrics.answered(answer, asked.rows, protocol, time.monotonic() - began)
        if call is not None:
            call.took(answer)
        return answer

    def refused(self, refused: Refused, protocol: str) -> None:
        """A request has no answer: counts it, once, and has it told of.

        Args:
            refused: why; by the core or before it.
            protocol: that its client speaks.
        """
        self.metrics.refused(refused, protocol)
        call = current_call()
        if call is not None:
            call.was_refused(refused)

    def require_model(self, name: str, version: int | None = None, label: str = "") -> LiveModel:
        """The live model, where it is what a client means.

        Args:
            name: of the server's models; "" for whichever there is.
            version: see `version_of`; None for any.
            label: the version in its card; "" for any.

        Raises:
            Refused: `NOT_FOUND`, or `UNAVAILABLE` while there is none yet.
        """
        if name and name != self.name:
            raise Refused(Code.NOT_FOUND, f"there is no model {name[:100]!r} here; this server's is {self.name!r}")
        live = self.live
        if live is None:
            why = self._reader.models.why_none() or "no model is live yet; try again in a moment"
            raise Refused(Code.UNAVAILABLE, why)
        reference, written = live.reference, live.card.version
        if version is not None and version != version_of(reference):
            raise Refused(
                Code.NOT_FOUND,
                f"version {version} is not live; {version_of(reference)} is, {reference.model_id}",
            )
        if label and label != written:
            raise Refused(Code.NOT_FOUND, f"the live model has no version {label[:100]!r} in its card, but {written!r}")
        return live

    async def _answer(self, asked: Asked, began: float) -> Answer:
        deadline = min(asked.deadline, began + self.config.longest)
        live = self.require_model("", asked.version, asked.label)
        if not asked.rows:
            raise Refused(Code.INVALID_ARGUMENT, "the request holds no image and no row")
        require_fit(asked, live)
        # What an image takes in memory, whatever its file is packed to, is known as soon as its model is.
        size = asked.size + len(asked.images) * live.manifest.image_bytes
        with self._admission.admitted(asked.rows, size, deadline):
            job = Job(asked, live, asyncio.get_running_loop().create_future(), deadline)
            del live
            self._begin(job)
            try:
                async with asyncio.timeout_at(deadline):
                    outcome = await job.outcome
            except TimeoutError:
                raise Refused(Code.DEADLINE_EXCEEDED, f"no answer after {time.monotonic() - began:.2f} s") from None
            finally:
                del job  # a traceback may hold on to this frame, and it to a model that is to retire
        if isinstance(outcome, Refused):
            try:
                raise outcome
            finally:
                del outcome
        return outcome

    def _begin(self, job: Job) -> None:
        if job.asked.tensor is None:
            self._preparer.begin(job)
        else:
            job.values = job.asked.tensor.values
            job.outlines = [None] * job.asked.rows
            self._batcher.put(job)

    def _again(self, job: Job) -> None:
        """In a thread: has another model answer, unless the client asked for the one that is unfit."""
        asked, unfit = job.asked, f"{job.model.reference.model_id} failed on its own probe image"
        if asked.version is not None or asked.label:
            job.refuse(Refused(Code.UNAVAILABLE, unfit))
            return
        try:
            live = self._reader.models.current()
            require_fit(asked, live)
        except Refused as refused:  # it was made for the other one, and was right
            job.refuse(Refused(Code.UNAVAILABLE, f"{unfit}; of the one that takes over: {refused.detail}"))
        except (ModelsClosed, NoModelAnswers) as error:
            job.refuse(Refused(Code.UNAVAILABLE, one_line(error)))
        else:
            job.model = live
            self._begin(job)

    def _standing(self) -> Standing:
        live, room = self.live, self._admission.room
        return Standing(
            self.is_ready,
            live.reference.model_id if live is not None else None,
            self._reader.models.resident(),
            self._admission.images,
            room.images,
            self._admission.size,
            room.size,
            self._reader.restarts,
        )

    def _whereabouts(self) -> Whereabouts:
        live, coming = self._reader.models.now_and_next()
        return Whereabouts(live.model_id if live else None, coming.model_id if coming else None)

    def _batched(self, model_id: str, images: int, others_wait: bool) -> None:
        self._admission.paced(images, others_wait)
        self.metrics.batched(model_id, images)

    def _heard(self, events: Sequence[ModelEvent]) -> None:
        self.statuses.take_in(events)
        self.metrics.take_in(events)
