"""Classifiers as scikit-learn's exporters write them: with a label as text, and scores as a list of maps.

Runs in the vetting child. An engine answers in tensors of numbers: a map gives way to the tensor that it was made of,
and what has no numbers at all is left out. `ZipMap` and the classifiers are operators of the domain `ai.onnx.ml`.
"""

from __future__ import annotations

from typing import Any

from models.card_fields import MAX_LABEL
from models.printable import printable

_LABELS = ("classlabels_strings", "classlabels_int64s", "classlabels_ints")


def with_numbers_alone(model: Any) -> bool:
    """Takes from a model the outputs that are no tensors of numbers, while another is left; whether it had any.

    Args:
        model: an `onnx.ModelProto`, which is changed.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    changed = False
    for node in [node for node in graph.node if node.op_type == "ZipMap"]:
        for place, output in enumerate(graph.output):
            if output.name in node.output:
                scores = helper.make_tensor_value_info(node.input[0], TensorProto.FLOAT, ["n", len(_labels_of(node))])
                graph.output[place].CopyFrom(scores)
                graph.node.remove(node)
                changed = True
                break
    numeric = [output for output in graph.output if _is_numeric(output)]
    if numeric and len(numeric) < len(graph.output):
        kept = [type(output).FromString(output.SerializeToString()) for output in numeric]
        del graph.output[:]
        graph.output.extend(kept)
        changed = True
    return changed


def class_labels(model: Any) -> tuple[str, ...]:
    """The labels that a classifier's own operator bears; () where they are the classes' indices, or there are none."""
    for node in model.graph.node:
        labels = _labels_of(node)
        if labels:
            return () if labels == tuple(map(str, range(len(labels)))) else labels
    return ()


def _labels_of(node: Any) -> tuple[str, ...]:
    for attribute in node.attribute:
        if attribute.name in _LABELS and (attribute.strings or attribute.ints):
            texts = [printable(text.decode("utf-8", "replace"))[:MAX_LABEL] for text in attribute.strings]
            return tuple(texts or map(str, attribute.ints))
    return ()


def _is_numeric(output: Any) -> bool:
    from onnx import TensorProto

    kind = output.type.WhichOneof("value")
    return kind is None or (kind == "tensor_type" and output.type.tensor_type.elem_type != TensorProto.STRING)
