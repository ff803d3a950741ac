"""Warm-up requests, which a server sends to a model before it accepts clients.

TensorFlow Serving reads them as `PredictionLog` messages. The classes of that message are in the
package `tensorflow-serving-api`, which is not worth a dependency for a few bytes: the four messages
around a tensor are written here field by field, and a test reads them with the real classes.
"""

import os
from collections.abc import Mapping

import tensorflow as tf

FILE_NAME = "tf_serving_warmup_requests"  # where the server looks, below assets.extra

# Field numbers of tensorflow_serving/apis: prediction_log.proto, predict.proto and model.proto.
_LOG_PREDICT_LOG = 6
_PREDICT_LOG_REQUEST = 1
_REQUEST_MODEL_SPEC = 1
_REQUEST_INPUTS = 2
_SPEC_NAME = 1
_SPEC_SIGNATURE_NAME = 3
_MAP_KEY, _MAP_VALUE = 1, 2
_LENGTH_DELIMITED = 2  # the wire type of strings and messages


def prediction_log(model_name: str, signature_name: str, inputs: Mapping[str, object]) -> bytes:
    """Returns one `PredictionLog` of a predict request, as bytes.

    Reference:
        Protocol Buffers, Encoding; tensorflow_serving/apis/prediction_log.proto.

    Args:
        model_name: The model's name on the server.
        signature_name: The signature to call.
        inputs: Values of its inputs; NumPy arrays, tensors or lists of strings.

    Returns:
        The serialised message.
    """
    model_spec = _field(_SPEC_NAME, model_name.encode("utf-8"))
    model_spec += _field(_SPEC_SIGNATURE_NAME, signature_name.encode("utf-8"))
    request = _field(_REQUEST_MODEL_SPEC, model_spec)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        entry = _field(_MAP_KEY, name.encode("utf-8")) + _field(_MAP_VALUE, tensor)
        request += _field(_REQUEST_INPUTS, entry)
    return _field(_LOG_PREDICT_LOG, _field(_PREDICT_LOG_REQUEST, request))


def write_requests(path: str | os.PathLike, requests: list[bytes]) -> None:
    """Writes serialised `PredictionLog`s as the TFRecord file that the server reads."""
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for request in requests:
            writer.write(request)


def _field(number: int, content: bytes) -> bytes:
    """A string or a message as a field: its number and wire type, its length, itself."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    """Seven bits per byte, the lowest first; the eighth is set if more follow."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
