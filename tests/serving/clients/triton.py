"""Triton's own client, over gRPC or HTTP, which knows nothing of this project: `triton.py grpc|http HOST:PORT IMAGE`.

Prints, as JSON, what it was answered. It runs in an environment of its own, `.venv.clients`.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

PROTOCOL, ADDRESS, IMAGE = sys.argv[1:]
triton = importlib.import_module(f"tritonclient.{PROTOCOL}")
client = triton.InferenceServerClient(ADDRESS)
as_json = {"as_json": True} if PROTOCOL == "grpc" else {}


def asked(name, values, datatype, **options):
    """What is answered to one input: the client's result, and the response as it came."""
    given = triton.InferInput(name, list(values.shape), datatype)
    given.set_data_from_numpy(values)
    result = client.infer("default", [given], **options)
    return result, result.get_response(**as_json)


def texts(values):
    """An output of texts, as one list."""
    return [each.decode() if isinstance(each, bytes) else each for each in values.reshape(-1).tolist()]


metadata = client.get_model_metadata("default", **as_json)
image = np.array([Path(IMAGE).read_bytes()] * 2, object)
of_images, response = asked("images", image, "BYTES", request_id="one")
version = response["model_version"]
wanted = [triton.InferRequestedOutput("labels"), triton.InferRequestedOutput("model_id")]
rows = np.zeros((1, 8, 8, 3), np.float32)
of_tensor, own_response = asked("image", rows, "FP32", model_version=version, outputs=wanted)
try:
    asked("image", rows, "FP32", model_version=str(int(version) + 1))
    refused = "answered"
except triton.InferenceServerException as error:
    refused = str(error.status())
print(
    json.dumps(
        {
            "live": client.is_server_live(),
            "ready": client.is_server_ready(),
            "model_ready": client.is_model_ready("default"),
            "name": client.get_server_metadata(**as_json)["name"],
            "versions": metadata["versions"],
            "inputs": {each["name"]: each["datatype"] for each in metadata["inputs"]},
            "outputs": {each["name"]: each["datatype"] for each in metadata["outputs"]},
            "id": response["id"],
            "scores": of_images.as_numpy("scores").tolist(),
            "labels": texts(of_images.as_numpy("labels")),
            "model_id": texts(of_images.as_numpy("model_id")),
            "of_tensor": texts(of_tensor.as_numpy("labels")),
            "of_tensor_outputs": sorted(each["name"] for each in own_response["outputs"]),
            "version": version,
            "another_version": refused,
        }
    )
)
