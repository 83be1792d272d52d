"""The configuration in a Keras file: what it may name. No framework has looked at it yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from models.errors import ModelFault, ModelRejected, one_line
from models.vetting import keras_names as names

ONE_FILE = "a model must be one file"
_INITIALIZERS_OF_TENSORFLOW = "tensorflow.python.ops.init_ops_v2"
"""As `tf.constant_initializer` makes them, which architectures of Keras 2 name; files bring the weights."""
_PACKAGES = ("keras", "tf_keras")
_TRAINING_OF_ALL = "compile_config"
_TOOLS_OF_KERAS = {"utils", "config", "saving", "export", "backend"}
"""Parts of Keras that do things (fetch a file, switch `safe_mode` off) rather than being parts of models."""
_CODE_CARRIERS = ("Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer")
_REGISTERED = {f"Custom>{name}" for name in names.OF_APPLICATIONS}
"""As Keras 2 names layers of `keras.applications`' own."""
_CLASSES = {
    "": names.MODELS | names.POLICIES,
    "activations": frozenset[str](),
    "applications": names.OF_APPLICATIONS,
    "constraints": names.CONSTRAINTS,
    "dtype_policies": names.POLICIES,
    "engine": names.MODELS | {"InputLayer"},
    "initializers": names.INITIALIZERS,
    "layers": names.LAYERS | names.OPERATIONS_OF_KERAS_2,
    "losses": names.OF_TRAINING,
    "metrics": names.OF_TRAINING,
    "mixed_precision": names.POLICIES,
    "models": names.MODELS,
    "optimizers": names.OF_TRAINING,
    "quantizers": names.QUANTIZERS,
    "regularizers": names.REGULARIZERS,
}
"""What may be named of each part of Keras."""
_WITHOUT_MODULE = frozenset[str]().union(*_CLASSES.values(), *names.OPERATIONS.values())
_FUNCTIONS_OF = {
    "builtins",
    *(f"{package}.{part}" for package in _PACKAGES for part in ("activations", "losses", "metrics")),
}
_FUNCTIONS_OF |= {"keras.ops", "keras.ops.nn"}


def check_config(text: str | bytes, *, untrained: bool = False) -> None:
    """Refuses a Keras configuration that names anything but classes and functions known to compute alone.

    Keras' own `safe_mode` refuses Lambdas as it loads, and lets much through; this looks first.

    Args:
        text: JSON.
        untrained: whether Keras leaves out how all of it was trained as it loads it; then so does this.

    Raises:
        ModelRejected: `not_a_model`, `unsafe_code` or `unsupported_layer`.
    """
    try:
        configuration = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelRejected(ModelFault.NOT_A_MODEL, f"its configuration is not JSON: {one_line(error)}") from error
    if untrained and isinstance(configuration, dict):
        configuration = {key: value for key, value in configuration.items() if key != _TRAINING_OF_ALL}
    for key, each in _objects_by_key(configuration):
        _check_object(key, each)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, in any order, each before those in it."""
    return (each for _, each in _objects_by_key(value))


def _objects_by_key(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same, each with the key that it, or the list that it is in, is the value of."""
    waiting = [("", value)]
    while waiting:
        key, found = waiting.pop()
        if isinstance(found, list):
            waiting.extend((key, each) for each in found)
        elif isinstance(found, dict):
            yield key, found
            waiting.extend(found.items())


def _check_object(key: str, value: dict[str, Any]) -> None:
    if isinstance(value.get("vocabulary"), str):
        raise ModelRejected(
            ModelFault.UNSAFE_CODE,
            f"reads its vocabulary from the file {one_line(value['vocabulary'], 60)}; {ONE_FILE}",
        )
    if "class_name" not in value:
        return
    name, module, registered = (value.get(each) for each in ("class_name", "module", "registered_name"))
    if name in _CODE_CARRIERS:
        raise ModelRejected(
            ModelFault.UNSAFE_CODE, f"a layer of kind {name} carries code of its own; build it of Keras' other layers"
        )
    if isinstance(module, str):
        _check_module(module, name)
    if isinstance(registered, str) and not _is_of_keras(registered):
        raise ModelRejected(
            ModelFault.UNSUPPORTED_LAYER,
            f"{one_line(registered, 60)} is a layer of its author's own; only Keras' own layers are served",
        )
    if name == "function":
        _check_function(key, module, value.get("config"))
    elif not isinstance(name, str) or not (name in names.VALUES | _REGISTERED or _is_known(module, name)):
        raise ModelRejected(
            ModelFault.UNSUPPORTED_LAYER,
            f"{_named(module, name)} is none of Keras' own layers; only those are served",
        )


def _is_of_keras(registered: str) -> bool:
    package, is_in_one, _ = registered.partition(">")
    return not is_in_one or package == "keras" or registered in _REGISTERED


def _check_module(module: str, name: Any) -> None:
    package, *parts = module.split(".")
    if package not in (*_PACKAGES, "builtins") and module != _INITIALIZERS_OF_TENSORFLOW:
        raise ModelRejected(
            ModelFault.UNSUPPORTED_LAYER,
            f"{one_line(name, 60)} comes from the module {one_line(module, 60)}; only Keras' own layers are served",
        )
    if _TOOLS_OF_KERAS & set(parts[: 2 if parts[:1] == ["src"] else 1]):
        raise ModelRejected(
            ModelFault.UNSAFE_CODE, f"names {one_line(module, 60)}, which is no part of a model but a tool of Keras"
        )


def _check_function(key: str, module: Any, name: Any) -> None:
    """Functions belong where an activation does; those of training compute alone wherever they are."""
    where_it_belongs = key.endswith("activation") and name in names.ACTIVATIONS
    if module not in _FUNCTIONS_OF or not (where_it_belongs or name in names.FUNCTIONS_OF_TRAINING):
        raise ModelRejected(
            ModelFault.UNSAFE_CODE,
            f"names {_named(module, name)} as the function {one_line(key, 60)}; only Keras' own activations can be",
        )


def _is_known(module: Any, name: str) -> bool:
    if module is None or module == "builtins":
        return name in _WITHOUT_MODULE
    if module == _INITIALIZERS_OF_TENSORFLOW:
        return name in names.INITIALIZERS
    _, *parts = str(module).split(".")
    if parts[:2] == ["src", "ops"]:
        return name in names.OPERATIONS.get(".".join(parts[2:]), ())
    if parts[:1] == ["src"]:
        return name in _CLASSES.get(parts[1] if parts[1:] else "", ())
    return name in _CLASSES.get(parts[0] if parts else "", ())


def _named(module: Any, name: Any) -> str:
    return one_line(f"{module}.{name}" if isinstance(module, str) else name, 120)
