"""What can be told of a file before any framework looks at it: h5py and zipfile are enough."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from models.errors import ModelFault, one_line
from models.vetting.file_checks import check_hdf5, check_keras_archive, identify
from models.vetting.keras_configuration import check_config
from tests import model_files
from tests.model_files import cut, hdf5, keras_archive, keras_config
from tests.models.rejections import rejection
from tests.own_process import run_module

MEMORY = 4 << 30


def test_a_layer_of_the_authors_own_is_named(keras_files: Path) -> None:
    refused = rejection(lambda: check_keras_archive(keras_files / "own_layer.keras", MEMORY))
    assert refused.fault is ModelFault.UNSUPPORTED_LAYER
    assert "elsewhere>Own" in refused.detail


@pytest.mark.parametrize("fill", model_files.HOSTILE_HDF5.values(), ids=model_files.HOSTILE_HDF5.keys())
def test_an_hdf5_file_that_reaches_outside_itself_is_unsafe(
    fill: Callable[[h5py.File], object], tmp_path: Path
) -> None:
    path = hdf5(tmp_path / "m.h5", fill=fill)
    assert rejection(lambda: check_hdf5(path, MEMORY)).fault is ModelFault.UNSAFE_CODE
    archive = keras_archive(tmp_path / "m.keras")
    with zipfile.ZipFile(archive, "w") as rewritten:
        rewritten.writestr("config.json", model_files.PLAIN)
        rewritten.write(hdf5(tmp_path / "w.h5", None, fill), "model.weights.h5")
    assert rejection(lambda: check_keras_archive(archive, MEMORY)).fault is ModelFault.UNSAFE_CODE


def test_a_decompression_bomb_is_too_large(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", fill=model_files.BOMB)
    assert path.stat().st_size < 1 << 20
    assert rejection(lambda: check_hdf5(path, MEMORY)).fault is ModelFault.TOO_LARGE
    archive = keras_archive(tmp_path / "m.keras", members={"zeros": bytes(1000)})
    assert rejection(lambda: check_keras_archive(archive, 900)).fault is ModelFault.TOO_LARGE


def test_groups_in_a_circle_are_walked_once(tmp_path: Path) -> None:
    def circle(file: h5py.File) -> None:
        group = file.create_group("a/b")
        group["up"] = file["a"]
        group["soft"] = h5py.SoftLink("/nowhere")

    assert check_hdf5(hdf5(tmp_path / "m.h5", fill=circle), MEMORY) is None


@pytest.mark.parametrize(
    ("layer", "fault"),
    [
        ({"class_name": "Lambda", "config": {"function": ["gAR9", None, None]}}, ModelFault.UNSAFE_CODE),
        ({"class_name": "Dense", "config": {"activation": {"class_name": "__lambda__"}}}, ModelFault.UNSAFE_CODE),
        ({"class_name": "TFSMLayer", "config": {"filepath": "/etc"}}, ModelFault.UNSAFE_CODE),
        ({"class_name": "function", "module": "keras.utils", "config": "get_file"}, ModelFault.UNSAFE_CODE),
        ({"class_name": "function", "module": "keras.src.utils.file_utils", "config": "x"}, ModelFault.UNSAFE_CODE),
        ({"class_name": "x", "module": "keras.config", "config": {}}, ModelFault.UNSAFE_CODE),
        ({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, ModelFault.UNSAFE_CODE),
        ({"class_name": "function", "module": "os", "config": "system"}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "function", "module": "keras.layers", "config": "TFSMLayer"}, ModelFault.UNSAFE_CODE),
        ({"class_name": "function", "module": "builtins", "config": "relu"}, ModelFault.UNSAFE_CODE),
        (
            {"config": {"activation": {"class_name": "function", "module": "builtins", "config": "eval"}}},
            ModelFault.UNSAFE_CODE,
        ),
        ({"class_name": "Switch", "module": "keras.src.ops.core", "config": {}}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "Dense", "module": "keras.src.ops.numpy", "config": {}}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "Dense", "module": "keras.src.somewhere", "config": {}}, ModelFault.UNSUPPORTED_LAYER),
        (
            {"class_name": "TensorFlowOpLayer", "config": {"node_def": {"op": "WriteFile"}}},
            ModelFault.UNSUPPORTED_LAYER,
        ),
        ({"class_name": "DenseFeatures", "config": {"feature_columns": []}}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "__typespec__", "module": "keras", "config": []}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": ["Dense"], "config": {}}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "Own", "registered_name": "mine>Own", "config": {}}, ModelFault.UNSUPPORTED_LAYER),
        ({"class_name": "Own\x1b[31m" * 99, "module": "evil\n", "config": {}}, ModelFault.UNSUPPORTED_LAYER),
    ],
)
def test_a_configuration_that_names_code_is_refused_unread(layer: dict[str, Any], fault: ModelFault) -> None:
    assert rejection(lambda: check_config(keras_config({"class_name": "Dense"}, layer))).fault is fault


@pytest.mark.parametrize(
    "layer",
    [
        {"class_name": "Dense", "module": "keras.layers", "config": {"activation": "relu"}},
        {"config": {"activation": {"class_name": "function", "module": "builtins", "config": "gelu"}}},
        {"class_name": "TFOpLambda", "module": "keras.src.layers.core.tf_op_layer", "config": {}},
        {"class_name": "Functional", "module": "keras.src.engine.functional", "config": {}},
        {"class_name": "GetItem", "module": "keras.src.ops.numpy", "config": {}},
        {"class_name": "Policy", "module": "tf_keras.mixed_precision", "config": {}},
        {"class_name": "Custom>CustomScaleLayer", "config": {}},
        {
            "class_name": "CustomScaleLayer",
            "module": "keras.src.applications.inception_resnet_v2",
            "registered_name": "Custom>CustomScaleLayer",
            "config": {},
        },
    ],
)
def test_what_keras_2_and_3_write_of_their_own_is_let_through(layer: dict[str, Any]) -> None:
    check_config(keras_config({"class_name": "Dense"}, layer))


def test_how_all_of_a_model_was_trained_is_looked_at_unless_keras_leaves_it_out() -> None:
    own = {"class_name": "function", "module": "builtins", "config": "my_loss", "registered_name": "my>loss"}
    config = json.dumps(json.loads(keras_config({"class_name": "Dense"})) | {"compile_config": {"loss": own}})
    check_config(config, untrained=True)
    assert rejection(lambda: check_config(config)).fault is ModelFault.UNSUPPORTED_LAYER


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_of_each_keras_all_that_computes_is_known(library: str) -> None:
    """A layer that a new release brings is looked at by somebody before it is let through."""
    unknown = set(run_module("tests.models.vetting.unknown_to_the_lists", library).split())
    assert unknown <= {
        *("AbstractRNNCell", "Layer", "Wrapper"),
        *("DenseFeatures", "FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper"),
        *("AssociativeScan", "Cond", "ForiLoop", "JVP", "Map", "Scan", "Switch", "VectorizedMap", "WhileLoop"),
    }


@pytest.mark.parametrize("config", ["", "{", "[" * 100_000, b"\xff"])
def test_a_configuration_that_is_no_json_is_no_model(config: str | bytes) -> None:
    assert rejection(lambda: check_config(config)).fault is ModelFault.NOT_A_MODEL


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["good.h5", "good.keras"])
def test_a_file_cut_anywhere_is_truncated(name: str, share: float, keras_files: Path, tmp_path: Path) -> None:
    path = cut(tmp_path / name, keras_files / name, share)
    check = {"hdf5": check_hdf5, "keras": check_keras_archive}[identify(path)]
    assert rejection(lambda: check(path, MEMORY)).fault is ModelFault.TRUNCATED


@pytest.mark.parametrize("start", [b"", b"\x89HDF", b"PK", b"P"])
def test_a_file_of_a_few_bytes_is_truncated(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(start)
    assert rejection(lambda: identify(tmp_path / "m.h5")).fault is ModelFault.TRUNCATED


@pytest.mark.parametrize("start", [b"GIF89a", b"\x08\x07", b"\x80", b"\x80\x04\x95", bytes(64), b"#!/bin/sh\n"])
def test_a_file_of_another_kind_is_not_a_model(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(start)
    assert rejection(lambda: identify(tmp_path / "m.h5")).fault is ModelFault.NOT_A_MODEL


def test_weights_alone_are_not_a_model(keras_files: Path) -> None:
    refused = rejection(lambda: check_hdf5(keras_files / "only.weights.h5", MEMORY))
    assert refused.fault is ModelFault.NOT_A_MODEL
    assert "model.save" in refused.detail


def test_a_damaged_member_of_an_archive_is_truncated(keras_files: Path, tmp_path: Path) -> None:
    data = bytearray((keras_files / "good.keras").read_bytes())
    with zipfile.ZipFile(keras_files / "good.keras") as archive:
        member = archive.getinfo("config.json")
    data[member.header_offset + 80 : member.header_offset + 100] = bytes(20)
    (tmp_path / "m.keras").write_bytes(data)
    refused = rejection(lambda: check_keras_archive(tmp_path / "m.keras", MEMORY))
    assert refused.fault in (ModelFault.TRUNCATED, ModelFault.NOT_A_MODEL)
    deflated = tmp_path / "d.keras"
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", model_files.PLAIN * 50)
        archive.writestr("model.weights.h5", b"")
    data = bytearray(deflated.read_bytes())
    data[42:52] = b"\xff" * 10
    deflated.write_bytes(data)
    assert rejection(lambda: check_keras_archive(deflated, MEMORY)).fault is ModelFault.TRUNCATED


def test_an_archive_that_keeps_files_beside_its_weights_is_refused(tmp_path: Path) -> None:
    path = keras_archive(tmp_path / "m.keras", members={"assets/": b"", "assets/words.txt": b"x"})
    assert rejection(lambda: check_keras_archive(path, MEMORY)).fault is ModelFault.UNSUPPORTED_LAYER


def test_an_archive_member_may_not_climb_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = keras_archive(tmp_path / "in/m.keras", members={"../climbed": b"x"})
    check_keras_archive(path, MEMORY)
    assert not (tmp_path / "climbed").exists()


@pytest.mark.parametrize("card", [3, np.arange(4), np.array(["a", "b"], dtype=h5py.string_dtype())])
def test_a_card_that_is_no_text_is_a_bad_card(card: Any, tmp_path: Path) -> None:
    path = hdf5(tmp_path / "m.h5", fill=lambda file: file.attrs.__setitem__("model_card", card))
    assert rejection(lambda: check_hdf5(path, MEMORY)).fault is ModelFault.BAD_CARD


def test_whatever_an_error_says_becomes_one_printable_line() -> None:
    assert one_line("a\n\tb\x1b[31m\ud800" + "x" * 999).isprintable()
    assert one_line(ValueError()) == "ValueError"
    assert len(one_line("x" * 999, 50)) == 50
