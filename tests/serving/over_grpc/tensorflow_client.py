"""TensorFlow Serving's own client, which knows nothing of this project: `tensorflow_client HOST:PORT IMAGE`.

Prints, as JSON, what it was answered.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


def main(address: str, image: bytes) -> dict[str, Any]:
    channel = grpc.insecure_channel(address)
    predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "default"
    request.model_spec.signature_name = "serving_default"
    request.inputs["images"].CopyFrom(tf.make_tensor_proto([image, image], shape=[2]))
    of_images = predictions.Predict(request, timeout=60)

    version = of_images.model_spec.version.value
    own = predict_pb2.PredictRequest()
    own.model_spec.name = "default"
    own.model_spec.version.value = version
    own.inputs["image"].CopyFrom(tf.make_tensor_proto(np.zeros((1, 8, 8, 3), np.float32)))
    of_tensor = predictions.Predict(own, timeout=60)
    same = predict_pb2.PredictRequest()
    same.inputs["image"].CopyFrom(tf.make_tensor_proto(0.5, shape=(1, 8, 8, 3)))  # one number for all of them
    of_one_number = predictions.Predict(same, timeout=60)

    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "default"
    metadata = predictions.GetModelMetadata(asked, timeout=60)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert metadata.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["serving_default"]

    models = model_service_pb2_grpc.ModelServiceStub(channel)
    of_status = get_model_status_pb2.GetModelStatusRequest()
    of_status.model_spec.name = "default"
    [status] = models.GetModelStatus(of_status, timeout=60).model_version_status

    own.model_spec.version.value = version + 1
    try:
        predictions.Predict(own, timeout=60)
    except grpc.RpcError as error:
        refused = error.code().name
    return {
        "scores": tf.make_ndarray(of_images.outputs["scores"]).tolist(),
        "classes": tf.make_ndarray(of_images.outputs["classes"]).tolist(),
        "labels": [each.decode() for each in tf.make_ndarray(of_images.outputs["labels"]).tolist()],
        "model_id": [each.decode() for each in tf.make_ndarray(of_images.outputs["model_id"]).tolist()],
        "of_tensor": [each.decode() for each in tf.make_ndarray(of_tensor.outputs["labels"]).tolist()],
        "of_one_number": [each.decode() for each in tf.make_ndarray(of_one_number.outputs["labels"]).tolist()],
        "version": version,
        "inputs": {name: tf.dtypes.as_dtype(each.dtype).name for name, each in signature.inputs.items()},
        "outputs": {name: tf.dtypes.as_dtype(each.dtype).name for name, each in signature.outputs.items()},
        "status": [status.version, get_model_status_pb2.ModelVersionStatus.State.Name(status.state)],
        "another_version": refused,
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]).read_bytes())))
