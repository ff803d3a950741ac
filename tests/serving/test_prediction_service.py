"""The export behind the interfaces of TensorFlow Serving, asked by real clients.

The server's own program is not on PyPI, so a small one stands in for it: the published gRPC service
with its own client, and the REST interface as its documentation has it, on which the commands of
the export's README run.
"""

import base64
import concurrent.futures
import http.server
import io
import json
import re
import shutil
import subprocess
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

pytestmark = pytest.mark.slow  # servers, clients and processes


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata` of one SavedModel."""

    def __init__(self, directory, definitions, signatures):
        self.name, self.version = directory.parent.name, int(directory.name)
        self.definitions, self.signatures = definitions, signatures

    def Predict(self, request, context):
        self._check(request.model_spec, context)
        signature = request.model_spec.signature_name or "serving_default"
        inputs = {
            name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()
        }
        if inputs.keys() != self.definitions[signature].inputs.keys():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "inputs of another signature")
        try:
            outputs = self.signatures[signature](**inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        self._fill(response.model_spec, signature)
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request, context):
        self._check(request.model_spec, context)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        self._fill(response.model_spec, "")
        definitions = get_model_metadata_pb2.SignatureDefMap(signature_def=self.definitions)
        response.metadata["signature_def"].Pack(definitions)
        return response

    def _check(self, model_spec, context):
        if model_spec.name != self.name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {model_spec.name}")

    def _fill(self, model_spec, signature):
        model_spec.name, model_spec.signature_name = self.name, signature
        model_spec.version.value = self.version


class RestHandler(http.server.BaseHTTPRequestHandler):
    """The row form of the REST interface, handed on to the gRPC service."""

    def do_POST(self):
        name = re.fullmatch(r"/v1/models/(\w+):predict", self.path).group(1)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stub, definitions = self.server.stub, self.server.definitions
        request = predict_pb2.PredictRequest()
        request.model_spec.name = name
        request.model_spec.signature_name = body.get("signature_name", "serving_default")
        inputs = definitions[request.model_spec.signature_name].inputs
        for key, tensor in inputs.items():
            rows = [row if len(inputs) == 1 else row[key] for row in body["instances"]]
            request.inputs[key].CopyFrom(tf.make_tensor_proto(rows, tensor.dtype))
        try:
            outputs = stub.Predict(request).outputs
        except grpc.RpcError as error:
            self._answer(400, {"error": error.details()})
            return
        columns = {key: _json_rows(key, proto) for key, proto in outputs.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        if len(columns) == 1:
            rows = [value for row in rows for value in row.values()]
        self._answer(200, {"predictions": rows})

    def _answer(self, status, content):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format, *args):
        pass


def _json_rows(name, proto):
    """Rows as JSON has them; strings whose name ends in `_bytes` are binary, the others UTF-8."""
    values = tf.make_ndarray(proto)
    if values.dtype != object:
        return values.tolist()
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(value).decode()} for value in values]
    return np.vectorize(bytes.decode, otypes=[object])(values).tolist()


@pytest.fixture(scope="module")
def client(exported, definitions, served):
    """A `PredictionServiceStub` with a server on the other side."""
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    service = PredictionService(exported, definitions, served)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    with grpc.insecure_channel(f"localhost:{port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)
    server.stop(None).wait()


@pytest.fixture(scope="module")
def metadata(client):
    """The signatures, as the server's metadata describe them."""
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "shapes"
    response = client.GetModelMetadata(request)
    assert response.model_spec.version.value == 1
    found = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    return found.signature_def


@pytest.fixture(scope="module")
def rest_port(client, metadata):
    server = http.server.ThreadingHTTPServer(("localhost", 0), RestHandler)
    server.stub, server.definitions = client, metadata
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def predict(client, signature, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "shapes"
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    outputs = client.Predict(request, timeout=60).outputs
    return {name: tf.make_ndarray(proto) for name, proto in outputs.items()}


def test_metadata_are_those_of_the_file(metadata, definitions):
    assert metadata == definitions


def test_a_client_gets_pictures(client, served):
    captions = np.array(["a red disc", "the square is blue"], object)
    expected = served["serving_default"](captions=tf.constant(captions))["images"].numpy()
    np.testing.assert_array_equal(predict(client, "", captions=captions)["images"], expected)
    files = predict(client, "generate_png", captions=captions)["image_bytes"]
    for file, picture in zip(files, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), picture)


def test_a_client_is_told_which_caption_has_no_known_word(client):
    captions = np.array(["a red disc", "zeppelin"], object)
    with pytest.raises(grpc.RpcError) as caught:
        predict(client, "serving_default", captions=captions)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "Expected captions with a word of the vocabulary" in caught.value.details()
    assert "[1]" in caught.value.details()


def curl_commands(exported, port):
    readme = (exported.parent / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    return [block.replace("8501", str(port)) for block in blocks if block.startswith("curl ")]


def test_the_curl_lines_of_the_readme(exported, rest_port, tmp_path, served):
    if not (shutil.which("curl") and shutil.which("bash")):
        pytest.skip("there is no curl here")

    def run(command):
        shell = ["bash", "-euo", "pipefail", "-c", command]
        result = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return result.stdout

    numbers, file, seeded = curl_commands(exported, rest_port)
    caption = json.loads(re.search("'({.*?})'", numbers, re.DOTALL).group(1))["instances"][0]
    expected = served["serving_default"](captions=tf.constant([caption]))["images"].numpy()
    np.testing.assert_array_equal(json.loads(run(numbers))["predictions"], expected)
    run(file)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "picture.png")), expected[0])
    (other,) = json.loads(run(seeded))["predictions"]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(other["b64"]))))
    assert np.max(np.abs(np.int32(picture) - np.int32(expected[0]))) > 5
    unknown = numbers.replace(caption, "zeppelin")
    assert "word of the vocabulary" in json.loads(run(unknown))["error"]
