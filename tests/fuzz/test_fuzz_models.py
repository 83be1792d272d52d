"""Whatever a model file says, vetting touches nothing but the file: not a secret, not a folder, not a server.

The files are valid ones with changes. They are examined where nothing confines them, so that the lists of what a file
may name hold by themselves; and some of them as a job would have them vetted.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from models.artefacts import Vetted
from models.errors import ModelRejected
from models.registry.cache import ArtefactCache
from models.storage import LocalStorage
from models.vetting.vetter import Vetter
from tests.fuzz.canaries import Canaries
from tests.fuzz.mutations import Change, changed_json, changed_onnx, keras_poisons
from tests.fuzz.sandbox import Sandbox
from tests.model_files import IMAGE, loop_of_sines, save_onnx, tiny_classifier
from tests.own_process import run_module

KERAS = [
    "tutorial-3.keras",
    "tutorial-3.h5",
    "tutorial-2.h5",
    "normalizing-3.keras",
    "normalizing-3.h5",
    "normalizing-2.h5",
]
ONNX = ["tiny.onnx", "loop.onnx"]
CHANGES = st.lists(
    st.builds(Change, st.integers(0, 1 << 12), st.integers(0, 59), st.integers(0, 1 << 16)), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The valid files."""
    folder = tmp_path_factory.mktemp("seeds")
    run_module("tests.fuzz.seed_models", folder)
    tiny_classifier(folder / "tiny.onnx")
    loop, constants = loop_of_sines("flat", "scores")
    constants["rounds"] = np.array(3, np.int64)
    mean = helper.make_node("ReduceMean", ["image"], ["flat"], axes=[1, 2], keepdims=0)
    save_onnx(folder / "loop.onnx", [mean, loop], IMAGE, ["n", 3], constants)
    return folder


@pytest.fixture(scope="module")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    with closing(Canaries(tmp_path_factory.mktemp("canaries"))) as canaries:
        yield canaries


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, canaries: Canaries) -> Iterator[Sandbox]:
    with closing(Sandbox(tmp_path_factory.mktemp("sandbox"), canaries)) as sandbox:
        yield sandbox


def _rewritten(seed: Path, target: Path, rewrite: Callable[[str], str]) -> Path:
    """A Keras file with another configuration and the same weights."""
    if seed.suffix == ".h5":
        shutil.copyfile(seed, target)
        with h5py.File(target, "a") as file:
            file.attrs["model_config"] = rewrite(file.attrs["model_config"])
        return target
    with zipfile.ZipFile(seed) as read, zipfile.ZipFile(target, "w") as written:
        for name in read.namelist():
            data = read.read(name)
            written.writestr(name, rewrite(data.decode()) if name == "config.json" else data)
    return target


def changed(seed: Path, target: Path, changes: list[Change], canaries: Canaries) -> Path:
    """A model with so many changes, of a Keras file in its configuration."""
    if seed.suffix == ".onnx":
        target.write_bytes(changed_onnx(seed.read_bytes(), changes, canaries))
        return target
    return _rewritten(seed, target, lambda config: changed_json(config, changes, keras_poisons(canaries)))


@pytest.mark.parametrize("name", [*KERAS, *ONNX])
def test_the_valid_files_are_accepted_and_touch_nothing(
    name: str, seeds: Path, tmp_path: Path, sandbox: Sandbox, canaries: Canaries
) -> None:
    model = shutil.copyfile(seeds / name, tmp_path / name)
    canaries.touched()
    assert sandbox.verdict(model) == "accepted"
    assert canaries.touched() == []


def test_canaries_notice_whoever_touches_them(canaries: Canaries) -> None:
    assert canaries.touched() == []
    canaries.secret.read_bytes()
    assert canaries.touched() == ["a file"]
    (canaries.forbidden / "made").mkdir()
    assert canaries.touched() == ["a file"]
    with suppress(OSError):
        urllib.request.urlopen(canaries.url, timeout=0.1)
    assert canaries.touched() == ["the server"]


@pytest.fixture(scope="module")
def require_untouched(
    seeds: Path, sandbox: Sandbox, canaries: Canaries, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, list[Change]], None]:
    """Examines a valid file with so many changes."""

    def examine(name: str, changes: list[Change]) -> None:
        model = changed(seeds / name, tmp_path_factory.mktemp("changed") / name, changes, canaries)
        canaries.touched()
        verdict = sandbox.verdict(model)
        assert canaries.touched() == [], verdict
        shutil.rmtree(model.parent)

    return examine


def _calls_a_layer_as_a_function(config: str, canaries: Canaries) -> str:
    """A configuration with one more operation, which Keras calls as it reads it, `safe_mode` or not."""
    layer = {"class_name": "function", "module": "keras.layers", "config": "TFSMLayer", "registered_name": "function"}
    switch = {
        "module": "keras.src.ops.core",
        "class_name": "Switch",
        "registered_name": "Switch",
        "name": "switch",
        "config": {"name": "switch"},
        "inbound_nodes": [{"args": [0, [layer], str(canaries.secret.parent)], "kwargs": {}}],
    }
    model = json.loads(config)
    model["config"]["layers"].append(switch)
    return json.dumps(model)


def test_without_the_lists_a_known_attack_does_touch_them(seeds: Path, tmp_path: Path, canaries: Canaries) -> None:
    """So that the tests below can fail."""
    attack = _rewritten(
        seeds / "normalizing-3.keras",
        tmp_path / "attack.keras",
        lambda config: _calls_a_layer_as_a_function(config, canaries),
    )
    with closing(Sandbox(tmp_path, canaries)) as sandbox:
        assert sandbox.verdict(attack).startswith("unsupported_layer: ")
    assert canaries.touched() == []
    with closing(Sandbox(tmp_path, canaries, "--without-lists")) as unlisted:
        unlisted.verdict(attack)
    assert canaries.touched() == ["a file"]


@pytest.mark.parametrize("name", KERAS)
def test_how_a_model_was_trained_is_never_made(
    name: str, seeds: Path, tmp_path: Path, sandbox: Sandbox, canaries: Canaries
) -> None:
    """What Keras leaves out as it loads an archive, whatever it says; in HDF5 it would not, and there it is refused."""
    vocabulary = str(canaries.secret.with_name("vocabulary.txt"))
    lookup = {"class_name": "StringLookup", "module": "keras.layers", "config": {"vocabulary": vocabulary}}
    layer = {"class_name": "function", "module": "builtins", "config": "exec", "registered_name": "function"}
    called = layer | {"name": "f", "inbound_nodes": [[["_CONSTANT_VALUE", -1, f"import {Canaries.module}", {}]]]}
    made = {"name": "n", "layers": [called], "input_layers": [], "output_layers": []}
    for loss in (lookup, {"class_name": "Functional", "module": "keras", "config": made}):
        trained = {"optimizer": loss, "loss": loss}
        model = _rewritten(
            seeds / name,
            tmp_path / name,
            lambda config, trained=trained: json.dumps(json.loads(config) | {"compile_config": trained}),  # type: ignore[misc]
        )
        canaries.touched()
        verdict = sandbox.verdict(model)
        assert canaries.touched() == [], verdict
        assert verdict.startswith("accepted" if name.endswith(".keras") else ("unsafe_code", "unsupported_layer"))


@pytest.mark.parametrize("name", KERAS)
@settings(max_examples=max(1, settings().max_examples // 4))
@given(changes=CHANGES)
def test_a_changed_keras_file_touches_nothing(
    name: str, changes: list[Change], require_untouched: Callable[[str, list[Change]], None]
) -> None:
    require_untouched(name, changes)


@pytest.mark.parametrize("name", ONNX)
@given(changes=CHANGES)
def test_a_changed_graph_touches_nothing(
    name: str, changes: list[Change], require_untouched: Callable[[str, list[Change]], None]
) -> None:
    require_untouched(name, changes)


@settings(max_examples=max(1, settings().max_examples // 16))
@given(changes=CHANGES, at=st.integers(0, 1 << 8))
def test_a_changed_file_that_a_job_has_vetted_touches_nothing(
    changes: list[Change],
    at: int,
    seeds: Path,
    tmp_path_factory: pytest.TempPathFactory,
    shared_cache: ArtefactCache,
    canaries: Canaries,
) -> None:
    folder = tmp_path_factory.mktemp("changed")
    name = "tiny.onnx" if at % 4 else KERAS[at // 4 % len(KERAS)]
    model = changed(seeds / name, folder / name, changes, canaries)
    canaries.touched()
    with closing(Vetter(LocalStorage(), shared_cache, largest_batch=2)) as vetter, suppress(ModelRejected):
        assert isinstance(vetter.vet(str(model)), Vetted)
    assert canaries.touched() == []
    shutil.rmtree(folder)
