"""What processes would gather of two models whose quality is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

from models.reference import ModelReference
from models.trials.evidence import Evidence
from models.trials.gist import Gist
from models.trials.policy import Policy
from models.trials.trial import Trial

OLD = ModelReference("models/digits_v1.onnx", "a" * 64)
NEW = ModelReference("models/digits_v2.onnx", "b" * 64)


def trial(policy: str, step: int = 0, new: ModelReference = NEW) -> Trial:
    """One that is under way."""
    parsed = Policy.parse(policy)
    assert parsed is not None
    return Trial(14, OLD, new, parsed, step=step, begun="2026-11-28T09:12:44.000000Z", by="worker-7-113")


def shadow(images: int, *, right: float, paths: Sequence[str] = (), labels: bool = False, seed: int = 1) -> Evidence:
    """Of a shadow: ten digits, the old model is right on 95%, the new one on the share `right`."""
    drawn, evidence = random.Random(seed), Evidence()
    for place in range(images):
        truth = drawn.randrange(10)
        old, new = _answer(drawn, truth, 0.95), _answer(drawn, truth, right)
        path = paths[place % len(paths)] if paths else f"images/{place:05}.png"
        evidence.answered("old", old)
        evidence.answered("new", new)
        evidence.compared(path, old, new)
        if labels and place % 3 == 0:
            evidence.labelled_both(old.label == str(truth), new.label == str(truth))
    _calls(drawn, evidence, images // 8, 1.1)
    return evidence


def canary(images: int, *, right: float, paths: Sequence[str] = (), slower: float = 1.1, seed: int = 1) -> Evidence:
    """Of a canary of half of the images, likewise."""
    drawn, evidence = random.Random(seed), Evidence()
    for place in range(images):
        truth = drawn.randrange(10)
        path = paths[place % len(paths)] if paths else f"images/{place:05}.png"
        if place % 2:
            evidence.answered("new", _answer(drawn, truth, right), path)
        else:
            evidence.answered("old", _answer(drawn, truth, 0.95), path)
    _calls(drawn, evidence, images // 8, slower)
    return evidence


def _answer(drawn: random.Random, truth: int, right: float) -> Gist:
    if drawn.random() < right:
        return Gist(str(truth), 1 - drawn.random() ** 2 * 0.4)
    return Gist(str((truth + drawn.choice((1, 1, 2, 7))) % 10), 0.4 + 0.5 * drawn.random())


def _calls(drawn: random.Random, evidence: Evidence, calls: int, slower: float) -> None:
    for place in range(calls):
        images = (1, 4, 16)[place % 3]
        for side, factor in (("old", 1.0), ("new", slower)):
            seconds = images * 0.002 * images**-0.3 * factor * drawn.lognormvariate(0, 0.2)
            evidence.called("old" if side == "old" else "new", images, seconds)
