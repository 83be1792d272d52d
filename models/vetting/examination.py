"""The examination itself: card, probe, compile, compare. Runs in the vetting child."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.artefacts import MOST_NUMBERS, Manifest, OutputSpec
from models.card import Card, InputSpec, parse_card, read_card
from models.engines.engine import images_within
from models.engines.tensorflow_engine import RUN_BYTES as LARGEST_RUN_BYTES
from models.errors import ModelFault, ModelRejected
from models.tasks.probed import ProbedOutput
from models.tasks.reading import read_off
from models.vetting.candidate import Candidate
from models.vetting.compiling import compile_for
from models.vetting.file_checks import identify
from models.vetting.image_input import assumed_size, input_spec, scaled_once
from models.vetting.job import Job
from models.vetting.opening import open_candidate
from models.vetting.probing import probe


def examine(job: Job, built: Path) -> Manifest:
    """Vets one file and leaves its compiled form in `built`.

    Args:
        job: what to vet, and how.
        built: an empty folder for the compiled form.

    Raises:
        ModelRejected: with the reason.
        VettingTooCostly: the memory allowed is too little.
    """
    started = time.monotonic()
    path = Path(job.path)
    candidate = open_candidate(path, identify(path), job.memory_bytes)
    written = parse_card(candidate.card_text) if candidate.card_text is not None else {}
    spec = input_spec(candidate.input_shape, written)
    spec, notes = scaled_once(candidate, spec, written)
    # Only the probe can tell the outputs, and the probe needs the card's scaling: hence two passes.
    draft = _manifest(job, candidate, Card(job.name, "", candidate.labels, "raw", spec), written)
    probed = probe(candidate.answer, draft, _batch_sizes(job, candidate, draft))
    outputs = [ProbedOutput(*each) for each in zip(candidate.outputs, probed.outputs, candidate.endings(), strict=True)]
    reading = read_off(outputs, draft.card, written, candidate.loss())
    manifest = replace(draft, card=reading.card, outputs=tuple(OutputSpec(each.name, each.shape) for each in outputs))
    if manifest.numbers > MOST_NUMBERS:
        raise ModelRejected(
            ModelFault.TOO_LARGE,
            f"it answers each image with {manifest.numbers:,} numbers, of which {MOST_NUMBERS:,} are read; "
            "let it answer with fewer",
        )
    engine, reason = compile_for(candidate, probed, job.choice, built)
    return replace(
        manifest,
        engine=engine,
        engine_reason=reason,
        seconds=time.monotonic() - started,
        notes=(*assumed_size(candidate.input_shape, spec, written), *notes, *reading.notes),
    )


def _batch_sizes(job: Job, candidate: Candidate, manifest: Manifest) -> tuple[int, ...]:
    """Those in use, up to the largest that an engine computes at once."""
    largest = 2 if job.lean else job.batch_sizes[-1]
    if not candidate.on_gpu:
        largest = min(largest, max(2, images_within(LARGEST_RUN_BYTES, manifest)))
    return tuple(sorted({min(size, largest) for size in job.batch_sizes}))


def _manifest(job: Job, candidate: Candidate, inferred: Card, written: dict[str, Any]) -> Manifest:
    return Manifest(
        sha256=job.sha256,
        engine="onnx",
        engine_reason="",
        card=read_card(written, inferred),
        input_shape=_known_shape(candidate, inferred.input),
        input_dtype=candidate.input_dtype,
        input_name=candidate.input_name,
        outputs=(),
        seconds=0.0,
    )


def _known_shape(candidate: Candidate, spec: InputSpec) -> tuple[int, ...]:
    sizes: tuple[int, ...] = (spec.height, spec.width, spec.channels)
    if spec.layout == "NCHW":
        sizes = (spec.channels, spec.height, spec.width)
    match len(candidate.input_shape):
        case 1:
            return (math.prod(sizes),)
        case 2:
            return (spec.height, spec.width)
        case _:
            return sizes
