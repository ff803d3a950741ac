"""One export that the tests of this directory share."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2


@pytest.fixture(scope="session")
def exported(vivid_model, tmp_path_factory):
    """The version directory of an export of `vivid_model`, named `shapes` on the server."""
    from dmgan_tf.serving.export import export_model

    return export_model(vivid_model, tmp_path_factory.mktemp("serving") / "shapes")


@pytest.fixture(scope="session")
def served(exported):
    """The signatures of `exported`, as functions of named tensors."""
    model = tf.saved_model.load(exported)
    functions = dict(model.signatures)
    functions["the model, so that its weights stay"] = model
    return functions


@pytest.fixture(scope="session")
def definitions(exported):
    """The signatures of `exported` as its file describes them to servers in any language."""
    saved_model = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    return saved_model.meta_graphs[0].signature_def
