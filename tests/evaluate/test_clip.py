"""CLIP's codes, against what Hugging Face's CLIPModel gives for the same weights.

The weights come from the recipe of `inception_recipe`, by the names that Hugging Face gives them,
so neither its package nor a download is needed to hold our numbers to its numbers.
"""

import json
import shutil
import sys

import keras_hub
import numpy as np
import pytest
from differences import check_difference
from inception_recipe import recipe_weight

from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.clip import ClipScorer

MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SIZE, CONTEXT = 32, 40
# With a merge of two letters and one of three, so that a word may be one token, or several.
MERGES = ["r e", "re d</w>", "b i", "t h", "th e</w>"]
CAPTIONS = ["A red bird, the 2nd!", "the sea", "café au lait"]


def vocabulary():
    """Bytes as CLIP spells them, alone and at the end of a word, the merges, the two marks."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    tokens = letters + [letter + "</w>" for letter in letters]
    tokens += [merge.replace(" ", "") for merge in MERGES] + ["<|startoftext|>", "<|endoftext|>"]
    return {token: row for row, token in enumerate(tokens)}


def huggingface_layout(backbone):
    """Variable, Hugging Face's name and shape, and the way from there, of every weight."""
    for tower, encoder in (
        ("vision_model", backbone.vision_encoder),
        ("text_model", backbone.text_encoder),
    ):
        for number, block in enumerate(encoder.encoder_layers):
            prefix = f"{tower}.encoder.layers.{number}"
            for ours, theirs in (
                (block.attention.query_dense, "self_attn.q_proj"),
                (block.attention.key_dense, "self_attn.k_proj"),
                (block.attention.value_dense, "self_attn.v_proj"),
                (block.attention.output_dense, "self_attn.out_proj"),
                (block.dense_1, "mlp.fc1"),
                (block.dense_2, "mlp.fc2"),
            ):
                num_outputs = int(np.prod(ours.bias.shape))
                shape = (num_outputs, int(np.prod(ours.kernel.shape)) // num_outputs)
                yield ours.kernel, f"{prefix}.{theirs}.weight", shape, np.transpose
                yield ours.bias, f"{prefix}.{theirs}.bias", (num_outputs,), np.array
            yield from _norm_layout(block.layer_norm_1, f"{prefix}.layer_norm1")
            yield from _norm_layout(block.layer_norm_2, f"{prefix}.layer_norm2")
    vision, text = backbone.vision_encoder, backbone.text_encoder
    yield from _norm_layout(vision.pre_layer_norm, "vision_model.pre_layrnorm")
    yield from _norm_layout(vision.layer_norm, "vision_model.post_layernorm")
    yield from _norm_layout(text.layer_norm, "text_model.final_layer_norm")
    kernel = vision.embedding.patch_embedding.kernel
    shape = kernel.shape[3], kernel.shape[2], *kernel.shape[:2]
    name = "vision_model.embeddings.patch_embedding.weight"
    yield kernel, name, shape, lambda value: value.transpose(2, 3, 1, 0)
    for variable, name in (
        (vision.embedding.class_embedding, "vision_model.embeddings.class_embedding"),
        (
            vision.embedding.position_embedding.embeddings,
            "vision_model.embeddings.position_embedding.weight",
        ),
        (
            text.embedding.token_embedding.embeddings,
            "text_model.embeddings.token_embedding.weight",
        ),
        (
            text.embedding.position_embedding.position_embeddings,
            "text_model.embeddings.position_embedding.weight",
        ),
        (backbone.clip_head.logit_scale, "logit_scale"),
    ):
        yield variable, name, tuple(variable.shape), np.array
    for layer, name in (
        (backbone.vision_projection, "visual_projection.weight"),
        (backbone.text_projection, "text_projection.weight"),
    ):
        yield layer.kernel, name, tuple(layer.kernel.shape[::-1]), np.transpose


def _norm_layout(layer, name):
    yield layer.gamma, f"{name}.weight", tuple(layer.gamma.shape), np.array
    yield layer.beta, f"{name}.bias", tuple(layer.beta.shape), np.array


def tiny_backbone():
    """A CLIP of two small towers, and its weights by Hugging Face's names."""
    backbone = keras_hub.models.CLIPBackbone(
        keras_hub.models.CLIPVisionEncoder(8, 32, 2, 4, 64, image_shape=(SIZE, SIZE, 3)),
        keras_hub.models.CLIPTextEncoder(
            len(vocabulary()), 24, 24, 2, 4, 48, max_sequence_length=CONTEXT
        ),
        projection_dim=16,
    )
    state = {}
    for variable, name, shape, from_theirs in huggingface_layout(backbone):
        state[name] = recipe_weight("clip.", name, shape)
        variable.assign(from_theirs(state[name]).reshape(variable.shape))
    positions = backbone.vision_encoder.embedding.position_ids  # zeros in a new backbone
    positions.assign(np.arange(positions.shape[1])[None])
    return backbone, state


def made_up_images(height=SIZE, width=SIZE):
    """Two images of noise, the hardest to resize; of CLIP's own size if not said otherwise."""
    return np.random.RandomState(3).randint(0, 256, (2, height, width, 3)).astype("uint8")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A keras-hub preset of the tiny CLIP, its converter as the published presets have theirs."""
    directory = tmp_path_factory.mktemp("presets") / "tiny_clip"
    backbone, _ = tiny_backbone()
    backbone.save_to_preset(directory)
    keras_hub.models.CLIPTokenizer(vocabulary(), MERGES, pad_with_end_token=True).save_to_preset(
        directory
    )
    keras_hub.layers.CLIPImageConverter(
        image_size=(SIZE, SIZE),
        scale=[1 / 255 / deviation for deviation in DEVIATION],
        offset=[-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)],
        interpolation="bicubic",
    ).save_to_preset(directory)
    return directory


@pytest.fixture(scope="module")
def scorer(preset):
    return ClipScorer.from_preset(preset)


# From transformers 5.23.0 (CLIPModel, CLIPTokenizer, CLIPImageProcessorPil) with torch 2.13.0: the
# first numbers of each code, made unit-length, as `test_codes_equal_transformers` computes them.
PUBLISHED_TEXT = [
    [0.33697355, -0.4352982, -0.42543054, -0.16292384],
    [0.5189299, -0.24361828, 0.20555682, -0.21959442],
    [0.30021083, -0.25233302, -0.4423832, -0.41635734],
]
PUBLISHED_IMAGES = [
    [0.20094548, -0.20421137, 0.30881107, -0.24751578],
    [0.10667156, -0.2497804, 0.18698812, -0.44193628],
]
PUBLISHED_RESIZED_IMAGES = [
    [0.19921044, -0.40335092, 0.17395076, -0.3129704],
    [0.55397516, -0.44469237, -0.01986538, -0.16555043],
]


def test_codes_equal_published_ones(scorer, record_property):
    texts = scorer.encode_texts(CAPTIONS)
    images = scorer.encode_images(made_up_images())
    resized = scorer.encode_images(made_up_images(100, 130))
    check_difference(record_property, "CLIP's captions", texts[:, :4], PUBLISHED_TEXT, 1e-5)
    check_difference(record_property, "CLIP's images", images[:, :4], PUBLISHED_IMAGES, 1e-5)
    # Few pixels are one level off PIL's; see tests/metrics/test_clip.py.
    part = "CLIP's images, resized"
    check_difference(record_property, part, resized[:, :4], PUBLISHED_RESIZED_IMAGES, 2e-3)
    for codes in (texts, images, resized):
        assert codes.dtype == np.float32 and codes.shape[1] == 16
        np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, rtol=1e-6)


def test_codes_equal_transformers(scorer, tmp_path, monkeypatch):
    """Everything by Hugging Face's code, from a directory as its hub has them."""
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "torchvision", None)  # PIL does it, whether installed or not
    transformers = pytest.importorskip("transformers", minversion="5.0")
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    write_huggingface_directory(transformers, torch, tmp_path)
    model = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    tokens = transformers.CLIPTokenizer.from_pretrained(tmp_path)(
        CAPTIONS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt"
    )
    expected = unit_length(model.get_text_features(**tokens))
    np.testing.assert_allclose(expected[:, :4], PUBLISHED_TEXT, atol=1e-6)
    np.testing.assert_allclose(scorer.encode_texts(CAPTIONS), expected, atol=1e-5)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    for shape, tolerance, published in (
        ((SIZE, SIZE), 1e-5, PUBLISHED_IMAGES),
        ((100, 130), 2e-3, PUBLISHED_RESIZED_IMAGES),
        ((20, 20), 2e-3, None),
    ):
        images = made_up_images(*shape)
        pixels = torch.tensor(np.stack(processor(list(images))["pixel_values"]))
        expected = unit_length(model.get_image_features(pixel_values=pixels))
        if published:
            np.testing.assert_allclose(expected[:, :4], published, atol=1e-6)
        np.testing.assert_allclose(scorer.encode_images(images), expected, atol=tolerance)
    with pytest.raises(InputError, match="has no converter.*'clip'"):
        ClipScorer.from_preset(tmp_path)  # keras-hub 0.32 cannot read it


def write_huggingface_directory(transformers, torch, directory):
    """The tiny CLIP as Hugging Face's hub would have it."""
    end = len(vocabulary()) - 1
    config = transformers.CLIPConfig(
        text_config={
            "vocab_size": end + 1,
            "hidden_size": 24,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": CONTEXT,
            "bos_token_id": end - 1,
            "eos_token_id": end,
            "pad_token_id": end,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": SIZE,
            "patch_size": 8,
        },
        projection_dim=16,
    )
    model = transformers.CLIPModel(config)
    state = {name: torch.tensor(value) for name, value in tiny_backbone()[1].items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and all(name.endswith("position_ids") for name in missing)
    model.save_pretrained(directory)
    (directory / "vocab.json").write_text(json.dumps(vocabulary()))
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]))


def unit_length(codes):
    """From a model of Hugging Face, as an array of unit-length rows."""
    codes = getattr(codes, "pooler_output", codes).detach().numpy()
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def test_codes_do_not_depend_on_the_batch(scorer):
    images = np.concatenate([made_up_images(), made_up_images()[::-1]])
    together = scorer.encode_images(images)
    np.testing.assert_allclose(scorer.encode_images(images, batch_size=3), together, atol=1e-6)
    np.testing.assert_allclose(together[:2], together[:1:-1], atol=1e-6)
    texts = scorer.encode_texts(CAPTIONS)
    np.testing.assert_allclose(scorer.encode_texts(CAPTIONS, batch_size=2), texts, atol=1e-6)
    np.testing.assert_allclose(scorer.encode_texts(CAPTIONS[1:]), texts[1:], atol=1e-6)
    beside_a_long_one = scorer.encode_texts([*CAPTIONS, "a much longer caption " * 9])
    np.testing.assert_allclose(beside_a_long_one[:-1], texts, atol=1e-6)


def test_captions_are_cut_at_the_context(scorer):
    words = ["red"] * (CONTEXT - 2)  # beside the two marks
    full, longer, shorter = scorer.encode_texts(
        [" ".join(words), " ".join([*words, "bird", "sea"]), " ".join(words[1:])]
    )
    assert CONTEXT % 16  # the last step of the lengths is shorter than the others
    np.testing.assert_allclose(longer, full, atol=1e-6)
    assert np.abs(shorter - full).max() > 1e-3


def test_case_and_spaces_do_not_matter(scorer):
    one, other = scorer.encode_texts(["un CAFE\u0301\n  rouge", "un café rouge"])
    np.testing.assert_array_equal(one, other)


def test_what_a_report_says(scorer):
    assert (scorer.name, scorer.image_size, scorer.context_length) == ("tiny_clip", SIZE, CONTEXT)
    assert scorer.backbone.count_params() > 0


def test_a_mixed_precision_policy_leaves_the_codes_alone(preset, scorer, monkeypatch):
    import keras

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = ClipScorer.from_preset(preset)
    finally:
        keras.config.set_dtype_policy(policy)
    images = made_up_images()
    np.testing.assert_array_equal(mixed.encode_images(images), scorer.encode_images(images))


@pytest.mark.parametrize(
    ("texts", "words"), [([], "none"), (["a", " \n"], "an empty one, number 1")]
)
def test_empty_captions_are_an_error(scorer, texts, words):
    with pytest.raises(InputError, match=words):
        scorer.encode_texts(texts)


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 3), "float32"),
        np.zeros((8, 8, 3), "uint8"),
        np.zeros((2, 8, 8, 1), "uint8"),
        np.zeros((0, 8, 8, 3), "uint8"),
    ],
)
def test_other_arrays_than_images_are_an_error(scorer, images):
    with pytest.raises(InputError, match="Expected uint8 images"):
        scorer.encode_images(images)


def test_the_usual_preset_is_known():
    assert "clip_vit_base_patch32" in keras_hub.models.CLIPBackbone.presets


def test_without_a_network_the_error_says_what_to_do(monkeypatch):
    def no_network(*arguments, **options):
        raise ConnectionError("Failed to resolve the hub\nand more")

    monkeypatch.setattr("kagglehub.model_download", no_network)
    with pytest.raises(InputError) as caught:
        ClipScorer.from_preset("clip_vit_base_patch32")
    message = str(caught.value)
    assert "Received: Failed to resolve the hub. " in message and "\n" not in message
    assert "kagglehub.model_download('keras/clip/keras/clip_vit_base_patch32" in message


def test_without_keras_hub_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(InputError, match="pip install keras-hub"):
        ClipScorer.from_preset("clip_vit_base_patch32")


def test_an_unknown_preset_is_an_error():
    with pytest.raises(InputError, match="Received: clip_vit_huge, .* clip_vit_base_patch32,"):
        ClipScorer.from_preset("clip_vit_huge")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config.json": None}, "no config.json"),
        ({"config.json": "{}"}, "Unrecognized format"),
        ({"config.json": "{"}, "Expecting"),
        ({"config.json": '{"format_version": 1, "tokenizer": null}'}, "Unrecognized format"),
        ({"model.weights.h5": None}, "model.weights"),
        ({"model.weights.h5": "of something else"}, "Received: "),
        ({"tokenizer.json": None}, "tokenizer.json"),
        ({"image_converter.json": None}, "image_converter.json"),
    ],
)
def test_a_directory_of_something_else_is_an_error(preset, tmp_path, change, words):
    directory = tmp_path / "copy"
    shutil.copytree(preset, directory)
    for name, text in change.items():
        if text is None:
            (directory / name).unlink()
        else:
            (directory / name).write_text(text)
    with pytest.raises(InputError) as caught:
        ClipScorer.from_preset(directory)
    message = str(caught.value)
    assert words in message and str(directory) in message and "\n" not in message


def test_a_directory_of_another_network_is_an_error(tmp_path):
    backbone = keras_hub.models.ViTBackbone((16, 16, 3), 8, 1, 1, 4, 8)
    backbone.save_to_preset(tmp_path)
    with pytest.raises(InputError, match="ViTBackbone"):
        ClipScorer.from_preset(tmp_path)
