"""A new model that hangs or dies takes its own share along, and nothing of the old one's."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.compute_threads import cores
from models.hosting import hosted_engine
from models.trials.sides import is_tried
from serving.admission import Room
from serving.asking import Answer, Asked, Code, Refused, version_of
from serving.statuses import State
from tests.sample_images import encoded, plain
from tests.serving.running_core import PROTOCOL
from tests.serving.trials.trying import Trying, trying
from tests.treacherous_models import TRIGGER, crashes, endless, treacherous
from tests.waiting import eventually

HALF = "canary:50%/600,50%/600"


def keys(tried: Trying, is_of_the_share: bool, image: bytes) -> Iterator[str]:
    """Ids of requests that fall on one side with an image."""
    digest = hashlib.sha256(image).hexdigest()
    return (each for each in map(str, count()) if is_tried(tried.trial, f"{each} {digest}") == is_of_the_share)


def ask(tried: Trying, key: str, image: bytes) -> Answer:
    return tried.running.run(tried.running.core.answer(Asked([image], key=key), PROTOCOL))


def test_while_the_new_model_hangs_the_old_one_answers_its_share(tmp_path: Path) -> None:
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless())) as tried:
        core = tried.running.core
        hung = [
            tried.running.begin(core.answer(Asked([plain(TRIGGER)], key=key), PROTOCOL))
            for key, _ in zip(keys(tried, True, plain(TRIGGER)), range(4 * cores()), strict=False)
        ]
        for key, _ in zip(keys(tried, False, plain()), range(30), strict=False):
            assert ask(tried, key, plain()).reference.model_id == tried.old
        assert not all(each.done() for each in hung)
        for each in hung:
            each.cancel()


def test_every_request_that_its_client_lost_to_the_new_model_is_one_failure_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted_engine, "LEAST_SECONDS", 2.0)
    monkeypatch.setattr(hosted_engine, "FIRST_SECONDS", 2.0)
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless()), longest=0.5) as tried:
        of_the_share = keys(tried, True, plain())

        def fares(key: str, image: bytes) -> bool:
            try:
                assert ask(tried, key, image).reference.model_id == tried.new
            except Refused:
                return False
            return True

        fared = [fares(next(of_the_share), plain()), fares(next(keys(tried, True, plain(TRIGGER))), plain(TRIGGER))]
        while not fared[-1]:  # until another process of the model answers
            fared.append(fares(next(of_the_share), plain()))
        assert fared.count(False) > 0

        evidence = tried.await_evidence(lambda found: found.new.images >= len(fared), "all requests")
        assert (evidence.new.answered, evidence.new.failed) == (fared.count(True), fared.count(False))


def test_what_hangs_holds_a_part_of_the_room_and_the_old_model_answers_the_rest(tmp_path: Path) -> None:
    room = Room(images=8 * cores())
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless()), room=room) as tried:
        core = tried.running.core
        of_the_share = keys(tried, True, plain(TRIGGER))
        hung = [
            tried.running.begin(core.answer(Asked([plain(TRIGGER)], key=next(of_the_share)), PROTOCOL))
            for _ in range(room.images // 2)
        ]
        eventually(lambda: core.under_way == len(hung), "all of them to be let in")
        assert ask(tried, next(keys(tried, True, plain())), plain()).reference.model_id == tried.old
        version = version_of(tried.trial.new)
        with pytest.raises(Refused) as refused:  # nor does naming it get around that
            tried.running.run(core.answer(Asked([plain()], version=version), PROTOCOL))
        assert refused.value.code is Code.RESOURCE_EXHAUSTED
        for each in hung:
            each.cancel()


def test_large_requests_that_come_at_once_find_no_more_room_than_others(tmp_path: Path) -> None:
    room = Room(images=8 * cores())
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless()), room=room) as tried:
        core = tried.running.core
        images = [encoded(Image.fromarray(np.full((300, 300, 3), TRIGGER, np.uint8)), "BMP")]
        assert len(images[0]) > 200_000  # of which a thread makes the digest
        of_the_share = keys(tried, True, images[0])
        asked = [Asked(images, key=next(of_the_share)) for _ in range(room.images)]

        async def all_at_once() -> list[asyncio.Future[Answer]]:
            return [asyncio.ensure_future(core.answer(each, PROTOCOL)) for each in asked]

        under_way = tried.running.run(all_at_once())
        eventually(lambda: sum(each.done() for each in under_way) == room.images // 2, "the old model to answer half")
        answers = [each.result() for each in under_way if each.done()]
        assert {each.reference.model_id for each in answers} == {tried.old}

        async def cancel() -> None:
            for each in under_way:
                each.cancel()

        tried.running.run(cancel())


def test_a_new_model_that_cannot_be_asked_any_more_is_given_up_and_the_old_one_answers(
    tmp_path: Path,
) -> None:
    with trying(tmp_path, "canary:100%/600,100%/600", partial(treacherous, treachery=crashes())) as tried:
        assert tried.running.ask(plain()).reference.model_id == tried.new
        tried.lose_what_was_compiled()
        assert tried.running.ask(plain(TRIGGER), plain()).reference.model_id == tried.old

        status = tried.running.await_state("new.onnx", State.END)
        assert status.reason
        assert tried.running.core.on_trial is None
        assert tried.await_evidence(lambda found: found.not_loaded_because.total > 0, "the reason to be written down")
        assert tried.running.ask(plain()).reference.model_id == tried.old
        assert tried.running.metric('hotswap_model_events_total{event="quarantined"}') == 1
