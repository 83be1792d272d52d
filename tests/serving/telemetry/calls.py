"""Requests that are over, as they come out of each protocol."""

from __future__ import annotations

from models.reference import ModelReference
from serving.asking import Answer, Spent
from serving.telemetry.call import Call

PREDICT = "tensorflow.serving.PredictionService/Predict"
MODEL = ModelReference("/m/model.onnx", "ab" * 32)


def answered(**known: str) -> Call:
    """One over gRPC: 2 ms of decoding, 30 ms of waiting and 200 ms of computing."""
    call = Call("grpc", PREDICT, "", "127.0.0.1", False)
    call.take_headers(known)
    call.protocol, call.rows, call.size = "tensorflow", 2, 4000
    call.took(Answer(MODEL, {}, Spent(0.002, 0.03, 0.2, 5, call.began + 0.001)))
    call.seconds, call.status = 0.235, "OK"
    return call


def refused(status: int = 404) -> Call:
    """One over HTTP."""
    call = Call("http", "POST", "/v1/models/other:predict", "10.0.0.7", False)
    call.route = "/v1/models/{name}:predict"
    call.error, call.detail = "not_found", "there is no model 'other' here"
    call.seconds, call.status = 0.001, status
    return call
