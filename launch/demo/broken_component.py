"""A component as a careless hand packs it: whole, signed, and its model answers with what is no number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.artefacts import ONNX_FILE
from models.components.opening import open_component
from models.components.packing import pack
from models.reference import ModelReference
from models.signatures.beside import SIGNATURE_SUFFIX
from models.signatures.signer import Signer


def make_broken(good: Path, folder: Path, key: Path, version: str) -> Path:
    """Makes a component of another whose answers are multiplied by what is no number, and signs it.

    Args:
        good: the component, unpacked.
        folder: for its archive, beside which the signature lies.
        key: that signs it.
        version: that it is given.
    """
    unpacked = folder / "broken"
    unpacked.mkdir()
    opened = open_component(good, unpacked)
    _spoil(unpacked / ONNX_FILE)
    of = opened.component
    artefact = replace(opened.vetted.artefact, folder=unpacked)
    archive = folder / f"{of.name}-{version}-{of.target}.zip"
    source = ModelReference(of.model_id.rpartition("@")[0], of.source_sha256)
    pack(artefact, source, archive, name=of.name, version=version, target=of.target, precision=of.precision)
    Signer(key).sign(archive, archive.with_name(archive.name + SIGNATURE_SUFFIX))
    return archive


def _spoil(path: Path) -> None:
    model = onnx.load(path)
    graph = model.graph
    output = graph.output[0].name
    for node in graph.node:
        node.output[:] = [f"{name}/whole" if name == output else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(np.float32("nan"), "nan"))
    graph.node.append(helper.make_node("Mul", [f"{output}/whole", "nan"], [output]))
    onnx.save(model, path)
