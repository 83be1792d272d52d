"""The core of the server: from what a client asks, in whatever protocol, to its answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from models.errors import ImageError, ModelsClosed, NoModelAnswers, one_line
from models.events import ModelEvent
from models.images.decoding import DecodeLimits
from models.live import LiveModel, OnTrial
from models.serving import ServingConfig
from models.storage.schemes import AnyStorage
from serving.admission import Admission, Room
from serving.asking import Answer, Asked, Code, Refused, version_of
from serving.batching import Batcher
from serving.metrics import Metrics, Standing
from serving.preparing import Job, Outcome, Preparer, require_fit, takes_the_same
from serving.reader import Reader
from serving.statuses import Statuses, Whereabouts
from serving.telemetry.call import current_call
from serving.trials.noting import Noting, is_comparable
from serving.trials.shadow import Shadow
from serving.trials.sides import choose, key_of

_LOOK_SECONDS = 0.05
_SOONER_SECONDS = 0.05
"""A protocol that ends calls at their deadlines itself may do so this much before the core does."""
_LEAST_SHARE = 0.5
"""Of the room for images, that the tried model may hold however small its share of them is."""
_SHADOW = 4
"""What waits to be asked of a new model beside the old one takes so much less room than what is under way may."""


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
    """Answers requests with the live model: a request by the one that was live when it came. While another one is
    tried, that answers its share of them, or is asked as well.

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
        room = config.room
        self._preparer = Preparer(config.limits, config.exact, self._put, self._unprepared)
        self._shadow = Shadow(
            self._reader.models,
            self._reader.gathering,
            self.metrics.tried,
            self.metrics.dropped,
            lambda: self._admission.images > 0,
            self._preparer.prepared,
            max(largest, room.images // _SHADOW),
            room.size // _SHADOW,
        )
        self._noting = Noting(self._reader.gathering, self.metrics.tried, self._shadow.put, self._match)
        # Two, so that a tried model that hangs holds up nothing of the other one's.
        self._batcher, self._apart = (
            Batcher(self._reader.models, largest, config.batch_wait, self._again, self._batched, self._noting.computed)
            for _ in range(2)
        )
        self._images_apart = 0
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
    def on_trial(self) -> OnTrial | None:
        """A model that is tried beside the live one, and ready; None while there is none."""
        on_trial, live = self._reader.models.on_trial(), self.live
        return on_trial if on_trial is not None and on_trial.model is not live else None

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
        self._apart.close()
        self._preparer.close()
        self._shadow.close()
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
        """The live model, where it is what a client means; one that is tried, where its version is named.

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
        on_trial = self.on_trial
        for model in (live, on_trial.model) if on_trial is not None else (live,):
            if version in (None, version_of(model.reference)) and label in ("", model.card.version):
                return model
        reference, written = live.reference, live.card.version
        if version is not None and version != version_of(reference):
            raise Refused(
                Code.NOT_FOUND,
                f"version {version} is not live; {version_of(reference)} is, {reference.model_id}",
            )
        raise Refused(Code.NOT_FOUND, f"the live model has no version {label[:100]!r} in its card, but {written!r}")

    def versions(self) -> list[int]:
        """That a request may name: of the live model, and of one that is tried."""
        on_trial = self.on_trial
        models = [self.live, on_trial.model if on_trial is not None else None]
        return [version_of(model.reference) for model in models if model is not None]

    async def _answer(self, asked: Asked, began: float) -> Answer:
        deadline = min(asked.deadline, began + self.config.longest)
        meant, on_trial = self.require_model("", asked.version, asked.label), self.on_trial
        size = _size_of(asked, meant, on_trial)
        with self._admission.admitted(asked.rows, size, deadline):
            key = "" if on_trial is None or asked.names_model else await key_of(asked)
            # No other coroutine comes between the look at the room and taking it.
            job = self._job(asked, key, meant, on_trial, deadline)
            del meant, on_trial
            apart = asked.rows * job.is_apart
            self._images_apart += apart
            try:
                self._begin(job)
                async with asyncio.timeout_at(deadline):
                    outcome = await job.outcome
            except TimeoutError:
                self._lost(job)
                raise Refused(Code.DEADLINE_EXCEEDED, f"no answer after {time.monotonic() - began:.2f} s") from None
            except asyncio.CancelledError:
                if time.monotonic() + _SOONER_SECONDS >= deadline:
                    self._lost(job)
                raise
            finally:
                self._images_apart -= apart
                job.part = None if not job.outcome.done() or job.outcome.cancelled() else job.part
                del job  # a traceback may hold on to this frame, and it to a model that is to retire
        if isinstance(outcome, Refused):
            try:
                raise outcome
            finally:
                del outcome
        return outcome

    def _job(self, asked: Asked, key: str, meant: LiveModel, on_trial: OnTrial | None, deadline: float) -> Job:
        """The request on its way to the model that is to answer it.

        Raises:
            Refused: it names the tried model, which has no room.
        """
        room = self._admission.room.images * max(_LEAST_SHARE, on_trial.trial.share if on_trial is not None else 0.0)
        has_room = self._images_apart + asked.rows <= room
        model, part = choose(asked, key, meant, on_trial, has_room)
        is_apart = on_trial is not None and model is on_trial.model
        if is_apart and not has_room:
            raise Refused(
                Code.RESOURCE_EXHAUSTED,
                f"{self._images_apart} images are waiting for the model that is tried; try again in a moment",
            )
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        return Job(asked, model, future, deadline, part=part, is_apart=is_apart)

    def _begin(self, job: Job) -> None:
        if job.asked.tensor is None:
            self._preparer.begin(job)
        else:
            job.values = job.asked.tensor.values
            job.outlines = [None] * job.asked.rows
            self._put(job)

    def _put(self, job: Job) -> None:
        (self._apart if job.is_apart else self._batcher).put(job)

    def _lost(self, job: Job) -> None:
        """Its client is refused: a failure of the model that was to answer, whatever that makes of it later."""
        if job.part is not None and is_comparable(job.asked):
            lost = partial(self._noting.failed, job.part, job.asked.rows)
            asyncio.get_running_loop().run_in_executor(None, lost)  # which may wait for whoever notes something

    def _unprepared(self, job: Job, image: bytes) -> None:
        """In a thread: an image that is none for either model is no failure of the tried one."""
        live = self.live
        if not job.is_apart or live is None or takes_the_same(job.model.manifest, live.manifest):
            return
        with suppress(ImageError):
            self._preparer.prepared(image, live.manifest)
            if job.part is not None:
                self._noting.failed(job.part, job.asked.rows)

    def _match(self, images: int) -> None:
        self._batcher.limit_next(images)

    def _again(self, job: Job) -> None:
        """In a thread: has another model answer, unless the client asked for the one that is unfit."""
        asked, unfit = job.asked, f"{job.model.reference.model_id} failed on its own probe image"
        if asked.names_model:
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
            job.model, job.part, job.is_apart = live, None, False
            self._begin(job)

    def _standing(self) -> Standing:
        live, on_trial, room = self.live, self.on_trial, self._admission.room
        return Standing(
            self.is_ready,
            live.reference.model_id if live is not None else None,
            self._reader.models.resident(),
            self._admission.images,
            room.images,
            self._admission.size,
            room.size,
            self._reader.restarts,
            on_trial.model.reference.model_id if on_trial is not None else None,
        )

    def _whereabouts(self) -> Whereabouts:
        live, coming = self._reader.models.now_and_next()
        on_trial, stated = self.on_trial, self._reader.gathering.trial
        is_awaited = stated is not None and on_trial is None and stated.new != live
        return Whereabouts(
            live.model_id if live else None,
            coming.model_id if coming else None,
            on_trial.model.reference.model_id if on_trial else None,
            stated.new.model_id if stated is not None and is_awaited else None,
        )

    def _batched(self, model_id: str, images: int, others_wait: bool) -> None:
        others_wait = others_wait or self._batcher.is_waited_for or self._apart.is_waited_for
        self._admission.paced(images, others_wait)
        self.metrics.batched(model_id, images)

    def _heard(self, events: Sequence[ModelEvent]) -> None:
        self.statuses.take_in(events)
        self.metrics.take_in(events)


def _size_of(asked: Asked, meant: LiveModel, on_trial: OnTrial | None) -> int:
    """Bytes that a request takes, whichever model answers it.

    Raises:
        Refused: the model that it means cannot answer it.
    """
    if not asked.rows:
        raise Refused(Code.INVALID_ARGUMENT, "the request holds no image and no row")
    require_fit(asked, meant)
    # What an image takes in memory, whatever its file is packed to, is known as soon as its model is.
    models = [meant, on_trial.model] if on_trial is not None else [meant]
    return asked.size + len(asked.images) * max(model.manifest.image_bytes for model in models)
