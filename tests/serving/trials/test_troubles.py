"""A new model that hangs or dies takes its own share along, and nothing of the old one's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

from models.compute_threads import cores
from models.trials.sides import is_tried
from serving.admission import Room
from serving.asking import Answer, Asked
from serving.statuses import State
from tests.sample_images import plain
from tests.serving.running_core import PROTOCOL
from tests.serving.trials.trying import Trying, trying
from tests.treacherous_models import TRIGGER, crashes, endless, treacherous
from tests.waiting import eventually

HALF = "canary:50%/600,50%/600"


def keys(tried: Trying, is_of_the_share: bool) -> Iterator[str]:
    """Requests' ids that fall on one side."""
    return (key for key in map(str, count()) if is_tried(tried.trial, key) == is_of_the_share)


def ask(tried: Trying, key: str, image: bytes) -> Answer:
    return tried.running.run(tried.running.core.answer(Asked([image], key=key), PROTOCOL))


def test_while_the_new_model_hangs_the_old_one_answers_its_share(tmp_path: Path) -> None:
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless())) as tried:
        core = tried.running.core
        hung = [
            tried.running.begin(core.answer(Asked([plain(TRIGGER)], key=key), PROTOCOL))
            for key, _ in zip(keys(tried, True), range(4 * cores()), strict=False)
        ]
        for key, _ in zip(keys(tried, False), range(30), strict=False):
            assert ask(tried, key, plain()).reference.model_id == tried.old
        assert not all(each.done() for each in hung)
        for each in hung:
            each.cancel()


def test_what_hangs_holds_a_part_of_the_room_and_the_old_model_answers_the_rest(tmp_path: Path) -> None:
    room = Room(images=8 * cores())
    with trying(tmp_path, HALF, partial(treacherous, treachery=endless()), room=room) as tried:
        core = tried.running.core
        of_the_share = keys(tried, True)
        hung = [
            tried.running.begin(core.answer(Asked([plain(TRIGGER)], key=next(of_the_share)), PROTOCOL))
            for _ in range(room.images // 2)
        ]
        eventually(lambda: core.under_way == len(hung), "all of them to be let in")
        assert ask(tried, next(of_the_share), plain()).reference.model_id == tried.old
        for each in hung:
            each.cancel()


def test_a_new_model_that_turns_out_unfit_is_taken_out_and_the_old_one_answers_its_requests(tmp_path: Path) -> None:
    with trying(tmp_path, "canary:100%/600,100%/600", partial(treacherous, treachery=crashes())) as tried:
        assert tried.running.ask(plain()).reference.model_id == tried.new
        tried.lose_what_was_compiled()
        assert tried.running.ask(plain(TRIGGER), plain()).reference.model_id == tried.old

        status = tried.running.await_state("new.onnx", State.END)
        assert status.reason
        assert tried.running.core.on_trial is None
        assert tried.await_evidence(lambda found: found.unfit_because.total > 0, "the reason to be written down")
        assert tried.running.ask(plain()).reference.model_id == tried.old
        assert tried.running.metric('hotswap_model_events_total{event="quarantined"}') == 1
