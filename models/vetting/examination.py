"""The examination itself: card, probe, compile, compare. Runs in the vetting child."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.artefacts import Manifest, OutputSpec
from models.card import Card, InputSpec, Task, parse_card, read_card
from models.engines.engine import Outputs, images_within
from models.engines.tensorflow_engine import RUN_BYTES as LARGEST_RUN_BYTES
from models.errors import ModelFault, ModelRejected
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
    draft = _manifest(job, candidate, Card(job.name, "", (), "raw", spec), written)
    probed = probe(candidate.answer, draft, _batch_sizes(job, candidate, draft))
    outputs = probed.outputs
    inferred = Card(job.name, "", (), _inferred_task(outputs), spec)
    specs = zip(candidate.outputs, outputs, strict=True)
    manifest = replace(
        _manifest(job, candidate, inferred, written),
        outputs=tuple(OutputSpec(name, output.shape[1:]) for name, output in specs),
    )
    check_labels(manifest.card, outputs)
    engine, reason = compile_for(candidate, probed, job.choice, built)
    return replace(
        manifest,
        engine=engine,
        engine_reason=reason,
        seconds=time.monotonic() - started,
        notes=(*assumed_size(candidate.input_shape, spec, written), *notes),
    )


def _batch_sizes(job: Job, candidate: Candidate, manifest: Manifest) -> tuple[int, ...]:
    """Those in use, up to the largest that an engine computes at once."""
    largest = 2 if job.lean else job.batch_sizes[-1]
    if not candidate.on_gpu:
        largest = min(largest, max(2, images_within(LARGEST_RUN_BYTES, manifest.input_shape, manifest.input_dtype)))
    return tuple(sorted({min(size, largest) for size in job.batch_sizes}))


def _manifest(job: Job, candidate: Candidate, inferred: Card, written: dict[str, Any]) -> Manifest:
    return Manifest(
        sha256=job.sha256,
        engine="onnx",
        engine_reason="",
        card=read_card(written, inferred),
        input_shape=_known_shape(candidate, inferred.input),
        input_dtype=candidate.input_dtype,
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


def _inferred_task(outputs: Outputs) -> Task:
    if len(outputs) != 1 or outputs[0].ndim != 2:
        return "raw"
    return "classification" if outputs[0].shape[1] > 1 else "regression"


def check_labels(card: Card, outputs: Outputs) -> None:
    """Holds the card's task and labels against the outputs of the probe.

    Raises:
        ModelRejected: `wrong_output` or `labels_mismatch`.
    """
    if card.task != "classification":
        return
    if len(outputs) != 1 or outputs[0].ndim != 2:
        shapes = ", ".join(str(output.shape[1:]) for output in outputs)
        raise ModelRejected(
            ModelFault.WRONG_OUTPUT,
            f"a classification whose outputs have shape {shapes}; say `task` raw in its card",
        )
    if card.labels and len(card.labels) != outputs[0].shape[1]:
        raise ModelRejected(
            ModelFault.LABELS_MISMATCH,
            f"{len(card.labels)} labels for {outputs[0].shape[1]} outputs; give the card one label for each",
        )
