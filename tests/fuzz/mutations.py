"""Valid Keras configurations and ONNX graphs, changed as somebody would who wants out."""

from __future__ import annotations

import base64
import copy
import json
import marshal
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper

from models.vetting import keras_names
from tests.fuzz.canaries import Canaries


class Change(NamedTuple):
    """One change, told by numbers that are taken modulo what there is.

    Attributes:
        at: where.
        kind: what is done.
        what: with which.
    """

    at: int
    kind: int
    what: int


_KEYS = [
    *("activation", "vocabulary", "filepath", "file", "path", "url", "fname", "origin", "weights", "build_config"),
    *("compile_config", "registered_name", "module", "config", "class_name", "kernel_initializer", "custom_objects"),
    *("dtype", "initializer", "layer", "function", "inbound_nodes", "args", "kwargs", "layers", "metric", "value"),
    *("quantization_config", "gate", "recurrent_initializer", "cell", "backward_layer", "shared_object_id", "asset"),
]
_MODULES = [
    *("builtins", "os", "keras", "keras.layers", "keras.models", "keras.utils", "keras.saving", "keras.ops", "numpy"),
    *("keras.activations", "keras.initializers", "keras.export", "keras.config", "keras.src.saving.saving_lib"),
    *("keras.src.layers", "keras.src.utils.file_utils", "keras.src.ops.nn", "keras.callbacks", "tensorflow"),
    *("keras.src.backend.common.global_state", "tf_keras.layers", "tf_keras.src.engine.functional", "tensorflow.io"),
    *("tf_keras.models", "tf_keras.utils", "keras.preprocessing.image", "keras.datasets.mnist", Canaries.module),
]
_NAMES = [
    *("function", "Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "StringLookup", "Hashing"),
    *("IntegerLookup", "TextVectorization", "CSVLogger", "ModelCheckpoint", "TensorBoard", "BackupAndRestore"),
    *("__lambda__", "__typespec__", "__tensor__", "__numpy__", "__bytes__", "__slice__"),
    *("TFOpLambda", "SlicingOpLambda"),
    *("get_file", "load_model", "open", "system", "eval", "exec", "load_img", "load_data", "read_file", "write_file"),
    *("enable_unsafe_deserialization", "deserialize", "get", "clear_session", "PyDataset", "Functional", "Sequential"),
    *("RemoteMonitor", "DenseFeatures", "Wrapper", "TimeDistributed", "Bidirectional", "RNN", "Model", "Operation"),
]
_KNOWN = sorted(keras_names.LAYERS | keras_names.ACTIVATIONS | keras_names.INITIALIZERS)


def keras_poisons(canaries: Canaries) -> list[Any]:
    """JSON values that lead to the canaries where anybody follows them."""
    secret, folder = str(canaries.secret), str(canaries.secret.parent)
    code = marshal.dumps(compile(f"open({str(canaries.forbidden / 'ran')!r}, 'w')", "x", "eval"))
    encoded = {"code": base64.b64encode(code).decode(), "defaults": None, "closure": None}
    texts = [
        *(secret, folder, str(canaries.secret.with_name("secret.h5")), str(canaries.forbidden / "made"), canaries.url),
        *(f"file://{secret}", "../" * 12 + secret.lstrip("/"), f"{canaries.module}.touch", canaries.module),
    ]
    configs: list[Any] = [
        {"filepath": folder, "call_endpoint": "serving_default", "name": "x"},
        {"function": {"class_name": "__lambda__", "config": encoded}, "name": "x"},
        {"vocabulary": str(canaries.secret.with_name("vocabulary.txt")), "name": "x"},
        {"filename": secret, "fname": secret, "origin": canaries.url, "path": secret, "name": "x"},
        {"function": [encoded["code"], None, None], "function_type": "lambda", "name": "x"},
        {"layer": {"class_name": "function", "module": "keras.layers", "config": "TFSMLayer"}, "name": "x"},
    ]
    functions = [
        {"class_name": "function", "module": module, "config": name, "registered_name": name}
        for module in _MODULES
        for name in _NAMES[1:]
    ]
    objects = [
        {"class_name": name, "module": module, "config": config, "registered_name": None}
        for name in _NAMES
        for module in ("keras.layers", None, "keras", "tf_keras.layers")
        for config in configs
    ]
    called = {"class_name": "TFSMLayer", "module": "keras.layers", "config": configs[0]}
    return [*texts * 20, *configs * 10, *functions, *objects, encoded, called, [], {}, None, -1, 1e308, True]


def changed_json(text: str, changes: Sequence[Change], poisons: Sequence[Any]) -> str:
    """A configuration with so many changes."""
    root = {"": json.loads(text)}
    for change in changes:
        sites = list(_sites(root))
        holder, key = sites[change.at % len(sites)]
        value = poisons[change.what % len(poisons)]
        match change.kind % 6:
            case 1:
                other, its_key = sites[change.what % len(sites)]
                holder[key] = copy.deepcopy(other[its_key])
            case 2 if isinstance(holder[key], list):
                holder[key].append(copy.deepcopy(value))
            case 2 | 3 if isinstance(holder[key], dict):
                holder[key][_KEYS[change.what % len(_KEYS)]] = copy.deepcopy(value)
            case 4 if isinstance(holder[key], dict) and "class_name" in holder[key]:
                field = ("class_name", "module", "registered_name", "config")[change.what % 4]
                words = _MODULES if field == "module" else [*_NAMES, *_KNOWN]
                holder[key][field] = words[change.what // 4 % len(words)]
            case 5 if isinstance(holder[key], str):
                words = [*_NAMES, *_MODULES, *_KNOWN]
                holder[key] = words[change.what % len(words)]
            case _:
                holder[key] = copy.deepcopy(value)
    return json.dumps(root[""])


def _sites(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value, as its holder and key."""
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


_OPERATORS = [
    *sorted({schema.name for schema in onnx.defs.get_all_schemas()}),
    *("PyOp", "ReadFile", "WriteFile", "EPContext", "Custom", "TensorRTEngine", "ExternalStream", "Snpe", "OpenVINO"),
]
_DOMAINS = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.contrib", "org.pytorch.aten", "local"]


def changed_onnx(data: bytes, changes: Sequence[Change], canaries: Canaries) -> bytes:
    """A graph with so many changes; the last may cut through its bytes."""
    model = onnx.load_model_from_string(data)
    places = [
        *(str(canaries.secret), str(canaries.secret.with_name("secret.npy")), "../" * 12 + str(canaries.secret)[1:]),
        *(str(canaries.forbidden / "made"), canaries.url, canaries.module),
    ]
    for change in changes:
        _change_graph(model, change, places[change.what % len(places)])
    if changes[-1].kind % 5 == 4:
        data = model.SerializeToString()
        at, piece = changes[-1].at % len(data), bytes([changes[-1].what % 256])
        data = data[:at] + piece + data[at + 1 :]
        try:
            onnx.load_model_from_string(data)
        except DecodeError:
            return model.SerializeToString()
        return data
    return model.SerializeToString()


def _change_graph(model: onnx.ModelProto, change: Change, place: str) -> None:
    graphs = list(_graphs(model.graph))
    graph = graphs[change.at % len(graphs)]
    nodes = list(graph.node) or [model.graph.node.add()]
    node = nodes[change.at % len(nodes)]
    tensors = [*graph.initializer, *(each.t for n in nodes for each in n.attribute if each.type == each.TENSOR)]
    match change.kind % 12:
        case 0:
            node.op_type = _OPERATORS[change.what % len(_OPERATORS)]
        case 1:
            node.domain = _DOMAINS[change.what % len(_DOMAINS)]
        case 2 | 3 if tensors:
            _outside(tensors[change.at % len(tensors)], place, change.what)
        case 4:
            tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
            _outside(tensor, place, change.what)
            node.attribute.append(helper.make_attribute(("value", "t", "body")[change.what % 3], tensor))
        case 5:
            name = ("ep_cache_context", "path", "location", "notes", "mode", "source")[change.what % 6]
            node.attribute.append(helper.make_attribute(name, place))
        case 6:
            inner = helper.make_graph([copy.deepcopy(node)], "inner", [], [])
            node.attribute.append(helper.make_attribute("body", inner))
        case 7:
            function = model.functions.add(name=f"F{change.what % 3}", domain="local")
            function.node.append(node)
            function.input.extend(node.input)
            function.output.extend(node.output)
            node.op_type, node.domain = function.name, "local"
            model.opset_import.append(helper.make_opsetid("local", 1))
        case 8:
            model.opset_import.append(helper.make_opsetid(_DOMAINS[change.what % len(_DOMAINS)], change.what % 25))
        case 9:
            helper.set_model_props(model, {"model_card": place, place: place})
        case 10 if node.input:
            node.input[change.what % len(node.input)] = place
        case _:
            graph.node.append(
                helper.make_node(_OPERATORS[change.what % len(_OPERATORS)], node.input, [f"o{change.at}"])
            )


def _outside(tensor: onnx.TensorProto, place: str, what: int) -> None:
    """Says that a tensor's data lie elsewhere."""
    if what % 2:
        tensor.ClearField("raw_data")
        tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", "4"), ("checksum", "0")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == attribute.GRAPH:
                yield from _graphs(attribute.g)
