"""The files beside an export, as their readers read them."""

import re

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from dmgan_tf.serving import server_files

VALUE = ".google.protobuf.Int64Value"


def batching_parameters_class():
    """`BatchingParameters` of session_bundle_config.proto, which no package carries."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto",
        package="tensorflow.serving",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    message = file.message_type.add(name="BatchingParameters")
    names = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    for number, name in enumerate(names, 1):
        message.field.add(
            name=name, number=number, label=field.LABEL_OPTIONAL, type=11, type_name=VALUE
        )
    message.field.add(
        name="allowed_batch_sizes", number=6, label=field.LABEL_REPEATED, type=field.TYPE_INT64
    )
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pool.Default().FindFileByName("google/protobuf/wrappers.proto")
    pool.AddSerializedFile(wrappers.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.serving.BatchingParameters")
    )


def test_the_server_reads_the_models(exported):
    text = (exported.parent / "models.config").read_text(encoding="utf-8")
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path) == ("shapes", "/models/shapes")
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 1


@pytest.mark.parametrize("sizes", [(1,), (1, 4, 16)])
def test_the_server_reads_the_batching(sizes):
    message = batching_parameters_class()()
    text_format.Parse(server_files.batching_parameters(sizes), message)
    assert list(message.allowed_batch_sizes) == list(sizes)
    assert message.max_batch_size.value == sizes[-1]  # the server insists that it is the last
    assert message.num_batch_threads.value >= 1
    assert 0 < message.batch_timeout_micros.value < 100_000


def test_the_readme_runs_this_export(exported):
    text = (exported.parent / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"/models/shapes/(\S+)", text):
        assert (exported.parent / path).is_file(), path
    assert (exported / "assets.extra" / "dmgan_export.json").is_file()
    assert "dmgan_export.json" in text and "tf_serving_warmup_requests" in text


def test_the_readme_lists_every_signature_with_what_it_takes_and_gives(exported, served):
    text = (exported.parent / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE))
    signatures = {name: value for name, value in served.items() if name.isidentifier()}
    assert rows.keys() == signatures.keys()
    for name, row in rows.items():
        inputs, outputs = row.split(" | ")
        _, taken = signatures[name].structured_input_signature
        assert set(re.findall("`(.*?)`", inputs)) == set(taken)
        assert set(re.findall("`(.*?)`", outputs)) == set(signatures[name].structured_outputs)
