"""How verdicts on models are told: to a person as text, to scripts as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from launch.model_timings import Timings
from models.artefacts import Manifest, Vetted
from models.card import Card, InputSpec
from models.errors import ModelRejected, one_line
from models.known import history_as_json
from models.printable import json_text, printable
from models.registry.records import Change
from models.survey import Surveyed, standing_of

_LABELS_SHOWN = 5
_OUTPUTS_SHOWN = 4
_TAGS_SHOWN = 120
"""Characters, in a line of a survey."""
_UNLABELLED = ("regression", "raw")
_STYLES = {
    "live": "bold green",
    "trial": "cyan",
    "rolled_back": "red",
    "valid": "green",
    "rejected": "red",
    "undecided": "yellow",
}


def print_json(value: Any) -> None:
    """For scripts."""
    print(json_text(value, indent=2))


def accepted_as_json(vetted: Vetted, timings: Timings | None = None) -> dict[str, Any]:
    """An acceptance, for scripts."""
    manifest = vetted.artefact.manifest
    return {
        "verdict": "accepted",
        "model_id": vetted.reference.model_id,
        "model_name": vetted.name,
        "sha256": manifest.sha256,
        "engine": manifest.engine,
        "engine_reason": manifest.engine_reason,
        "input_shape": list(manifest.input_shape),
        "input_dtype": manifest.input_dtype,
        "task": manifest.card.task,
        "activation": manifest.card.activation,
        "outputs": manifest.numbers,
        "output_shapes": {output.name: list(output.shape) for output in manifest.outputs},
        "signed_by": vetted.signed_by,
        "notes": list(manifest.notes),
        "card": manifest.card.to_json(),
    } | ({"seconds": timings.to_json()} if timings else {})


def rejected_as_json(uri: str, rejection: ModelRejected) -> dict[str, Any]:
    """A rejection, for scripts."""
    return {
        "verdict": "rejected",
        "model_id": rejection.model_id or uri,
        "reason": str(rejection),
        "fault": str(rejection.fault),
        "detail": rejection.detail,
    }


def print_accepted(console: Console, vetted: Vetted, timings: Timings | None = None) -> None:
    """An acceptance, for a person."""
    manifest = vetted.artefact.manifest
    card = manifest.card
    rows = {
        "model_id": vetted.reference.model_id,
        "name": vetted.name + (f", version {card.version}" if card.version else ""),
        "about": card.description,
        "tags": ", ".join(card.tags),
        "task": _task_in_words(card),
        "outputs": _outputs_in_words(manifest),
        "labels": _some(card.labels) or ("none; class indices stand in" if card.task not in _UNLABELLED else ""),
        "input": _input_in_words(card.input, manifest),
        "engine": f"{manifest.engine} ({manifest.engine_reason})",
        "signed by": vetted.signed_by,
        "timings": _timings_in_words(timings) if timings else "",
    }
    console.print(f"[{_STYLES['live']}]accepted[/]  {escape(vetted.reference.uri)}", highlight=False, soft_wrap=True)
    _print_rows(console, rows)
    for note in manifest.notes:
        console.print(f"note      {escape(note)}", highlight=False, soft_wrap=True)


def print_rejected(console: Console, uri: str, rejection: ModelRejected) -> None:
    """A rejection, for a person."""
    console.print(f"[{_STYLES['rejected']}]rejected[/]  {escape(uri)}", highlight=False, soft_wrap=True)
    rows = {"model_id": rejection.model_id or "", "reason": str(rejection.fault), "detail": rejection.detail}
    _print_rows(console, rows)


def print_survey(console: Console, surveyed: Sequence[Surveyed], live: Surveyed | None) -> None:
    """A survey, for a person: a table on a terminal, else a line for each file with tabs between its fields."""
    table = Table("state", "file", "name", "version", "modified", "size", "digest", "", box=None, pad_edge=False)
    for each in surveyed:
        state = standing_of(each, live)
        row = (
            state,
            each.file.uri,
            each.name,
            each.version,
            datetime.fromtimestamp(each.file.modified).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            f"{each.file.size:,}",
            each.digest,
            _remark(each),
        )
        if console.is_terminal:
            table.add_row(*map(escape, row), style=_STYLES[state])
        else:
            print("\t".join(map(printable, row)))
    if console.is_terminal:
        console.print(table)
    if live is None:
        console.print("none of them is live", highlight=False)


def print_history(console: Console, changes: Sequence[Change]) -> None:
    """What was live from when to when, for a person; newest first."""
    for told in reversed(history_as_json(changes)):
        since, until = told["since"], told["until"] or "now"
        if console.is_terminal:  # two lines each, since an address needs one
            console.print(f"[bold]{told['epoch']}[/]  {escape(told['model_id'])}", highlight=False, soft_wrap=True)
            about = f"{since[:19]} to {until[:19]}: {told['why']}; by {told['by']}"
            console.print(f"   {escape(about)}", highlight=False, soft_wrap=True)
        else:
            row = (str(told["epoch"]), since, until, told["model_id"], told["why"], told["by"])
            print("\t".join(map(printable, row)))


def _print_rows(console: Console, rows: dict[str, str]) -> None:
    for name, value in rows.items():
        if value:
            console.print(f"  {name:<9} {value}", highlight=False, markup=False, soft_wrap=True)


def _remark(each: Surveyed) -> str:
    """Why a file is not live; of one that may be, its tags."""
    tags = one_line(", ".join(each.tags), _TAGS_SHOWN) if each.tags else ""
    return each.reason or tags


def count_in_words(number: int, thing: str) -> str:
    """`1 image`, `2,000 images`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _some(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    shown = ", ".join(labels[:_LABELS_SHOWN])
    return f"{len(labels):,}: {shown}" + (", …" if len(labels) > _LABELS_SHOWN else "")


def _task_in_words(card: Card) -> str:
    words = [str(card.task)]
    if card.activation != "none":
        words.append(f"{card.activation} makes probabilities of its scores")
    if card.task in ("binary", "multilabel", "detection"):
        words.append(f"from {card.threshold:g} on")
    return ", ".join(words)


def _outputs_in_words(manifest: Manifest) -> str:
    shown = [f"{one_line(each.name, 60)} {each.shape}" for each in manifest.outputs[:_OUTPUTS_SHOWN]]
    more = len(manifest.outputs) - len(shown)
    return f"{count_in_words(manifest.numbers, 'number')}: {', '.join(shown)}" + (f" and {more} more" if more else "")


def _input_in_words(spec: InputSpec, manifest: Manifest) -> str:
    size = f"{spec.height} × {spec.width} pixels, {spec.color}, {spec.layout}"
    fit = {"stretch": "stretched to fit", "crop": "cropped to fit", "pad": "padded to fit"}[spec.fit]
    if not manifest.input_dtype.startswith("float"):
        return f"{size}, {manifest.input_dtype} 0..255, {fit}"
    scale = f"pixel × {spec.scale:.6g}"
    if any(spec.mean):
        scale += f" - {_numbers(spec.mean)}"
    if any(value != 1 for value in spec.std):
        scale = f"({scale}) / {_numbers(spec.std)}"
    return f"{size}, {manifest.input_dtype} = {scale}, {fit}"


def _numbers(values: Sequence[float]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else "(" + ", ".join(f"{value:g}" for value in values) + ")"


def _timings_in_words(timings: Timings) -> str:
    return (
        f"vetting {timings.vetting:.1f} s (this call {timings.this_call:.1f} s), loading {timings.loading:.2f} s, "
        f"one image {timings.one_image * 1e3:.2f} ms, a batch of {timings.batch_size} {timings.batch * 1e3:.2f} ms"
    )
