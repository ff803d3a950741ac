"""Warm-up requests, read back with the classes that the server reads them with."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from dmgan_tf.serving import warm_up


def read(record):
    return prediction_log_pb2.PredictionLog.FromString(record).predict_log.request


@pytest.mark.parametrize("rows", [1, 300])  # lengths of one byte, and of several
def test_a_request_reads_back_as_it_was_written(rows):
    inputs = {
        "captions": [f"caption {row} à" for row in range(rows)],
        "noise": np.random.default_rng(0).standard_normal((rows, 7)).astype(np.float32),
    }
    record = warm_up.prediction_log("model", "signature", inputs)
    expected = predict_pb2.PredictRequest()
    expected.model_spec.name = "model"
    expected.model_spec.signature_name = "signature"
    for name, value in inputs.items():
        expected.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    assert read(record) == expected
    log = prediction_log_pb2.PredictionLog.FromString(record)
    assert log.WhichOneof("log_type") == "predict_log"
    log.DiscardUnknownFields()
    assert len(log.SerializeToString()) == len(record)  # so nothing in it was unknown


def test_every_request_of_an_export_is_answered(exported, served):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    requests = [read(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    assert {request.model_spec.name for request in requests} == {"shapes"}
    sizes = {}
    for request in requests:
        signature = request.model_spec.signature_name
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        size = len(inputs["captions"])
        sizes.setdefault(signature, []).append(size)
        outputs = served[signature](**{name: tf.constant(value) for name, value in inputs.items()})
        assert all(len(value) == size for value in outputs.values())
    assert sizes.pop("serving_default") == [1, 2, 4, 8]
    assert sizes == dict.fromkeys(
        (
            "generate_png",
            "generate_with_seed",
            "generate_png_with_seed",
            "generate_with_noise",
            "tokenize",
        ),
        [1],
    )
