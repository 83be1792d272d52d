"""Takes the messages of both protocols out of the packages that publish them: `make messages`.

Those packages bring TensorFlow, or pins that do not go with it; what a server needs of them is a few kilobytes.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from serving.messages import PUBLISHED

_ROOTS = (
    "tensorflow_serving/apis/prediction_service_pb2.py",
    "tensorflow_serving/apis/model_service_pb2.py",
    "tritonclient/grpc/service_pb2.py",
)
_SERVED = {
    "tensorflow.serving.PredictionService": ("Predict", "GetModelMetadata"),
    "tensorflow.serving.ModelService": ("GetModelStatus",),
    "inference.GRPCInferenceService": (
        "ServerLive",
        "ServerReady",
        "ModelReady",
        "ServerMetadata",
        "ModelMetadata",
        "ModelInfer",
    ),
}
_INSIDE_ANY = "tensorflow.serving.SignatureDefMap"
_MODULES = {
    "model_config.proto": "tritonclient/grpc/model_config_pb2.py",
    "xla/tsl/protobuf/error_codes.proto": "tensorflow/compiler/xla/tsl/protobuf/error_codes_pb2.py",
}
"""Those that do not lie where their definitions did."""


def collect(places: Sequence[Path]) -> FileDescriptorSet:
    """The definitions of the methods that are served and of every message that they need, and of no others.

    Args:
        places: folders of installed packages, `site-packages`; the first that has a module counts.

    Raises:
        FileNotFoundError: none of them has one.
    """
    files: dict[str, FileDescriptorProto] = {}
    for root in _ROOTS:
        _add(_definition(places, root), places, files)
    pool = DescriptorPool()
    for file in files.values():
        pool.AddSerializedFile(file.SerializeToString())
    wanted: set[str] = set()
    _want(pool.FindMessageTypeByName(_INSIDE_ANY), wanted)
    for service, methods in _SERVED.items():
        described = pool.FindServiceByName(service)
        for method in methods:
            _want(described.methods_by_name[method].input_type, wanted)
            _want(described.methods_by_name[method].output_type, wanted)
    return _pruned(files, wanted)


def _add(file: FileDescriptorProto, places: Sequence[Path], files: dict[str, FileDescriptorProto]) -> None:
    if file.name in files:
        return
    for name in file.dependency:
        _add(_imported(name, places), places, files)
    files[file.name] = file


def _imported(name: str, places: Sequence[Path]) -> FileDescriptorProto:
    for known in (any_pb2.DESCRIPTOR, wrappers_pb2.DESCRIPTOR):
        if known.name == name:
            return FileDescriptorProto.FromString(known.serialized_pb)
    return _definition(places, _MODULES.get(name, name.replace(".proto", "_pb2.py")))


def _definition(places: Sequence[Path], module: str) -> FileDescriptorProto:
    """What a generated module holds, read without running it."""
    path = next((place / module for place in places if (place / module).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{module} is in none of {', '.join(map(str, places))}")
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    [serialized] = [call.args[0] for call in calls if ast.unparse(call.func).endswith(".AddSerializedFile")]
    return FileDescriptorProto.FromString(ast.literal_eval(serialized))


def _want(described: Descriptor | EnumDescriptor, wanted: set[str]) -> None:
    while described.containing_type is not None:
        described = described.containing_type
    if described.full_name in wanted:
        return
    wanted.add(described.full_name)
    waiting = [described] if isinstance(described, Descriptor) else []
    while waiting:
        each = waiting.pop()
        waiting += each.nested_types
        for needed in (field.message_type or field.enum_type for field in each.fields):
            if needed is not None:
                _want(needed, wanted)


def _pruned(files: dict[str, FileDescriptorProto], wanted: set[str]) -> FileDescriptorSet:
    kept: dict[str, FileDescriptorProto] = {}
    for file in files.values():
        for defined in (file.message_type, file.enum_type):
            _keep(defined, {each.name for each in defined if f"{file.package}.{each.name}".lstrip(".") in wanted})
        for service in file.service:
            _keep(service.method, set(_SERVED.get(f"{file.package}.{service.name}", ())))
        _keep(file.service, {service.name for service in file.service if service.method})
        handed_on = {file.dependency[index] for index in file.public_dependency}
        needed = [name for name in file.dependency if name in kept]
        del file.dependency[:], file.public_dependency[:]
        file.dependency.extend(needed)
        file.public_dependency.extend(index for index, name in enumerate(needed) if name in handed_on)
        if file.message_type or file.enum_type or file.service or file.public_dependency:
            kept[file.name] = file
    return FileDescriptorSet(file=kept.values())


def _keep(definitions: Any, names: set[str]) -> None:
    kept = [each for each in definitions if each.name in names]
    del definitions[:]
    definitions.extend(kept)


if __name__ == "__main__":
    PUBLISHED.write_bytes(collect([Path(each) for each in sys.argv[1:]]).SerializeToString(deterministic=True))
    print(f"{PUBLISHED}: {PUBLISHED.stat().st_size:,} bytes")
