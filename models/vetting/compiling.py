"""Which engine serves a candidate: of those that answer as it does, the fastest. Runs in the vetting child."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.artefacts import EngineChoice, EngineName
from models.engines.engine import Outputs, Predict
from models.errors import ModelFault, ModelRejected, VettingTooCostly, one_line
from models.memory import is_out_of_memory
from models.vetting.candidate import Candidate
from models.vetting.eight_bits import Room, lie_within, room_around
from models.vetting.probing import (
    FULL,
    HALF,
    Probed,
    alike,
    as_numbers,
    asked,
    difference,
    have_one_form,
    nudged,
)

_TIMED_RUNS = 3
_TIMED_SECONDS = 0.3
_STEADY_SHARE = 1 / 3
_NUDGES = 8
"""Each twice as far as the one before; the last by a thirtieth of what a pixel of 8 bits can tell."""
_TORN = 0.05
"""Of an output's magnitude: a model that moves by more changes its mind."""
_ROOM = 2
"""Times as far as the model lies from itself, an engine may lie from the model."""


def compile_for(candidate: Candidate, probed: Probed, choice: EngineChoice, built: Path) -> tuple[EngineName, str]:
    """The engine that serves the model, and why; its compiled form is in `built`.

    Raises:
        ModelRejected: `unsupported_layer`; no allowed engine gives the model's own outputs.
        VettingTooCostly: the memory allowed is too little.
    """
    trial = _Trial(candidate, probed, built)
    chosen = trial.fastest([name for name in candidate.engines if choice in ("auto", name)] or list(candidate.engines))
    for form in list((built / chosen.engine).iterdir()):
        form.rename(built / form.name)
    trial.clear()
    return chosen.engine, trial.told(chosen)


@dataclass(frozen=True, slots=True)
class _Contender:
    """An engine that answers as the model does.

    Attributes:
        difference: the largest from the model's own answers, where rounding alone does not make it change its mind.
        seconds: of an image, see `_Trial.seconds`.
    """

    engine: EngineName
    difference: float
    seconds: float


class _Wavering(NamedTuple):
    """How far the model's answers to a batch move where its images do by as little as rounding does.

    Attributes:
        apart: at most, of each output and image; shape (outputs, n).
        is_steady: whether an image still gets the same answer, or nearly; shape (n,).
    """

    apart: NDArray[np.float64]
    is_steady: NDArray[np.bool_]

    def reach(self, apart: NDArray[np.float64]) -> NDArray[np.bool_]:
        """To which images the model lies as far from itself as an engine, so far apart, lies from it; shape (n,)."""
        return np.all(apart <= _ROOM * self.apart, axis=0)


class _Trial:
    """The engines of one candidate, tried on the batches that it was probed with.

    Args:
        candidate: the model.
        probed: what it answers itself.
        built: each engine's compiled form comes into a folder of its name here.
    """

    def __init__(self, candidate: Candidate, probed: Probed, built: Path) -> None:
        self._candidate = candidate
        self._batches = probed.batches
        self._built = built
        self._answers = probed.answers
        self._tolerance = HALF if candidate.is_half else FULL
        self._own_seconds = self._seconds(candidate.run)
        self._wavering: list[_Wavering] | None = None
        self._room: list[Room] | None = None
        self._contenders: list[_Contender] = []
        self._refused: list[str] = []

    def fastest(self, engines: list[EngineName]) -> _Contender:
        """The fastest of these engines, of which some are not worth a trial once another does.

        Raises:
            ModelRejected: `unsupported_layer`.
            VettingTooCostly: the memory allowed is too little.
        """
        for engine in engines:
            if not self._contenders or self._could_be_faster(engine):
                self._try(engine)
        if not self._contenders:
            self.clear()
            raise ModelRejected(
                ModelFault.UNSUPPORTED_LAYER,
                f"cannot be compiled ({'; '.join(self._refused)}); build it of other layers",
            )
        return min(self._contenders, key=lambda contender: contender.seconds)

    def told(self, chosen: _Contender) -> str:
        """Why it was chosen: what others answered, and how long each took."""
        seconds = {self._candidate.own: self._own_seconds}
        seconds |= {contender.engine: contender.seconds for contender in self._contenders}
        times = ", ".join(
            f"{engine} {each * 1e3:.2f} ms" for engine, each in sorted(seconds.items(), key=lambda e: e[1])
        )
        agrees = f"{chosen.engine} agrees within {chosen.difference:.1e}"
        return "; ".join([*self._refused, agrees, f"an image on one thread takes {times}"])

    def clear(self) -> None:
        """Removes the engines' folders."""
        for engine in self._candidate.engines:
            shutil.rmtree(self._built / engine, ignore_errors=True)

    def _could_be_faster(self, engine: EngineName) -> bool:
        if engine == self._candidate.own:
            return self._own_seconds < min(contender.seconds for contender in self._contenders)
        return engine not in self._candidate.costly

    def _try(self, engine: EngineName) -> None:
        folder = self._built / engine
        folder.mkdir()
        try:
            answer = self._candidate.compile(engine, folder)
            compiled = [as_numbers(answer(batch)) for batch in self._batches]
        except Exception as error:  # exporters raise anything; the next engine may still do
            if is_out_of_memory(error):
                raise VettingTooCostly(f"compiling it for {engine} took more than it may") from error
            self._refused.append(f"{engine}: {one_line(error, 120)}")
        else:
            agreeing = self._agreeing(compiled)
            if agreeing is not None:
                self._contenders.append(_Contender(engine, self._apart(compiled, agreeing), self._seconds(answer)))
            else:
                self._refused.append(f"{engine}: outputs differ by {max(map(difference, compiled, self._answers)):.1e}")

    def _agreeing(self, compiled: list[Outputs]) -> NDArray[np.bool_] | None:
        """The images to which an engine answers as the model does; None where it differs to others that tell."""
        if not all(map(have_one_form, compiled, self._answers)):
            return None
        same = np.concatenate([alike(*pair, self._tolerance) for pair in self._pairs(compiled)])
        if same.all():
            return same
        if (agreeing := self._agreeing_where_steady(compiled, same)) is not None:
            return agreeing
        return np.ones_like(same) if self._agree_within_steps(compiled) else None

    def _apart(self, compiled: list[Outputs], which: NDArray[np.bool_]) -> float:
        """The largest difference between an engine's answers and the model's own to some of the images."""
        pairs = zip(self._pairs(compiled), self._by_batch(which), strict=True)
        return max(difference(_rows(ours, some), _rows(theirs, some)) for (ours, theirs), some in pairs if some.any())

    def _agreeing_where_steady(self, compiled: list[Outputs], same: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """As `_agreeing`, of the images but those on which rounding alone makes the model change its mind.

        Those tell nothing of an engine; at least a third of the images must. A model that is torn between two answers
        gives the same one to half of its nudged images, and the rounding of hundreds of layers adds up to more than
        that of one, so those on which an engine differs are nudged again and again, farther each time.
        """
        if self._wavering is None:
            self._wavering = [self._wavers(*each, 0) for each in zip(self._batches, self._answers, strict=True)]
        steady = np.concatenate([each.is_steady for each in self._wavering])
        pairs = zip(self._wavering, self._pairs(compiled), strict=True)
        near = np.concatenate([wavering.reach(_furthest(*pair)) for wavering, pair in pairs])
        agreeing = steady & (same | near)
        if agreeing.mean() < _STEADY_SHARE:
            return None
        suspects = self._by_batch(steady & ~agreeing)
        differs = any(map(self._differs, self._batches, self._answers, compiled, suspects))
        return None if differs else agreeing

    def _wavers(self, batch: NDArray[Any], answers: Outputs, trial: int) -> _Wavering:
        moved = asked(self._candidate.run, nudged(batch, trial))
        apart = _furthest(moved, answers)
        magnitudes = np.stack([np.abs(each.reshape(len(each), -1).astype(np.float64)).max(axis=1) for each in answers])
        return _Wavering(apart, alike(moved, answers, self._tolerance) | (apart <= _TORN * magnitudes).all(axis=0))

    def _differs(self, batch: NDArray[Any], answers: Outputs, compiled: Outputs, which: NDArray[np.bool_]) -> bool:
        """Whether an engine differs to one of these images of a batch, however that is nudged."""
        for trial in range(1, _NUDGES):
            if not which.any():
                break
            theirs = _rows(answers, which)
            wavering = self._wavers(batch[which], theirs, trial)
            near = wavering.reach(_furthest(_rows(compiled, which), theirs) * 2.0**trial)
            which[which] = wavering.is_steady & ~near
        return bool(which.any())

    def _agree_within_steps(self, compiled: list[Outputs]) -> bool:
        """Whether the answers of a model in 8 bits lie no farther apart than its steps explain; see `eight_bits`."""
        if not self._candidate.is_quantized:
            return False
        if self._room is None:
            pairs = zip(self._answers, self._batches, strict=True)
            self._room = [room_around(answers, self._candidate.run, batch) for answers, batch in pairs]
        rooms = zip(self._room, self._pairs(compiled), strict=True)
        return all(lie_within(room, *pair, self._tolerance) for room, pair in rooms)

    def _by_batch(self, images: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        return np.split(images, np.cumsum([len(batch) for batch in self._batches])[:-1])

    def _pairs(self, answers: list[Outputs]) -> Iterator[tuple[Outputs, Outputs]]:
        return zip(answers, self._answers, strict=True)

    def _seconds(self, answer: Predict) -> float:
        """Of an image, the mean of one alone and one in the largest batch, at best.

        Of processor time, since whoever vets waits for a busy job; of wall time where a GPU computes.
        """
        now = time.perf_counter if self._candidate.on_gpu else time.process_time
        alone, together = (_at_best(answer, batch, now) for batch in (self._batches[0], self._batches[-1]))
        return (alone + together) / 2


def _furthest(ours: Outputs, theirs: Outputs) -> NDArray[np.float64]:
    """The largest difference between two answers to each image; shape (outputs, n)."""
    apart = [np.abs(our.astype(np.float64) - their.astype(np.float64)) for our, their in zip(ours, theirs, strict=True)]
    return np.stack([each.reshape(len(each), -1).max(axis=1) for each in apart])


def _rows(outputs: Outputs, which: NDArray[np.bool_]) -> Outputs:
    return tuple(output[which] for output in outputs)


def _at_best(answer: Predict, batch: NDArray[Any], now: Callable[[], float]) -> float:
    seconds: list[float] = []
    while len(seconds) < _TIMED_RUNS and sum(seconds) < _TIMED_SECONDS:
        started = now()
        answer(batch)
        seconds.append(now() - started)
    return min(seconds) / len(batch)
