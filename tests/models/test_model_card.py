"""Model cards: in Hugging Face's form, with what the model knows, and nothing made up."""

import ast
import re

import pytest

from dmgan_tf.models.discriminator import Discriminator
from dmgan_tf.models.generator import Generator
from dmgan_tf.models.image_encoder import ImageEncoder
from dmgan_tf.models.inception import InceptionV3
from dmgan_tf.models.model_card import About, model_card
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(["a", "red", "bird"])
TRAINING = {"epochs": 3, "objective": "paper", "crop": False, "flip": True, "max_words": None}
DAMSM = {
    "epochs": 5,
    "retrieval_accuracy": 0.325,
    "retrieval_chance": 0.01,
    "retrieval_split": "validation",
}
EVALUATION = {
    **{"epoch": 2, "step": 34, "fid": 81.2345, "r_precision": 12.345, "r_precision_chance": 1.0},
    **{"protocol": "lite0", "num_images": 1200, "num_reference": 1034},
}
FULL = About(
    title='Birds: "all" of them',
    handle="hf://user/birds",
    example='a "red" bird',
    license="apache-2.0",
    language=["en", "no"],
    datasets=["user/birds"],
    tags=["birds", "gan", "1: 2", "Vögel 🐦"],
    data="Ten birds.",
    training="One night.",
    scores="| a | b |",
    limits="- No fish.",
)


def built(model):
    model.build()
    return model


@pytest.fixture(scope="module")
def networks():
    return {
        "text_encoder": built(TextEncoder(len(VOCABULARY), word_dim=6, embedding_dim=4)),
        "generator": built(Generator(4, 5, 3, 6, base_size=16, num_stages=2)),
        "image_encoder": built(ImageEncoder(6, "small_cnn", channels=4, input_size=32)),
    }


def head_of(card):
    """The fields of the YAML: strings, and lists of them; no more of YAML is to be there."""
    lines = re.match(r"---\n(.*?)\n---\n\n# ", card, re.DOTALL)[1].splitlines()
    fields, name = {}, None
    for line in lines:
        if line.startswith("- "):
            fields[name].append(scalar(line[2:]))
            continue
        name, _, value = line.partition(":")
        fields[name] = scalar(value.strip()) if value else []
    return fields


def scalar(text):
    return ast.literal_eval(text) if text.startswith('"') else text


def sections_of(card):
    return re.findall(r"^## (.*)$", card, re.MULTILINE)


def test_what_is_not_known_is_left_out(networks):
    card = model_card(VOCABULARY, **networks)
    assert head_of(card) == {
        "library_name": "keras",
        "pipeline_tag": "text-to-image",
        "tags": ["dm-gan", "dmgan_tf", "gan", "text-to-image"],
    }
    assert sections_of(card) == ["How to use it", "Sizes", "Limits"]
    assert "# DM-GAN, 32 pixels" in card and "None" not in card


def test_all_that_is_known(networks):
    extra = {"training": TRAINING, "damsm": DAMSM, "evaluation": EVALUATION, "started_from": "x"}
    discriminators = [built(Discriminator(size, 2, 6)) for size in (16, 32)]
    card = model_card(
        VOCABULARY, discriminators, **networks, extra=extra, weights_dtype="float16", about=FULL
    )
    assert head_of(card) == {
        "library_name": "keras",
        "pipeline_tag": "text-to-image",
        "license": "apache-2.0",
        "language": ["en", "no"],
        "datasets": ["user/birds"],
        "tags": ["dm-gan", "dmgan_tf", "gan", "text-to-image", "birds", "1: 2", "Vögel 🐦"],
    }
    assert sections_of(card) == [
        *("How to use it", "Sizes", "Training data", "Training", "Scores", "Limits")
    ]
    for part in (
        '# Birds: "all" of them\n',
        'from_preset("hf://user/birds")',
        r'model.generate(["a \"red\" bird"], seed=0)',
        f"| generator | {networks['generator'].count_params():,} parameters |",
        "| discriminator of 32 pixels |",
        "| stages | 16, 32 pixels |",
        "| weights | stored as float16 |",
        "pretrain_damsm --data=DATA --run=DAMSM --epochs=5\n",
        "--run=RUN --epochs=3 --objective=paper \\\n    --nocrop --flip\n",
        "One night.",
        "32.5% of pictures of the validation split find their caption (chance 1.0%)",
        "after epoch 2 (step 34) for the lowest FID of the run, 81.23 by `lite0`: 1,200 images",
        "captions against 1,034 real ones; R-precision by the DAMSM of training 12.3 % (chance 1.0",
        "- It knows 3 words",
        "- No fish.",
    ):
        assert part in card or part in " ".join(card.split()), part
    assert "max_words" not in card and "retrieval_" not in card
    assert max(map(len, card.splitlines())) < 120


def test_the_client_of_hugging_face_reads_it(networks):
    ModelCard = pytest.importorskip("huggingface_hub").ModelCard
    card = model_card(VOCABULARY, **networks, about=FULL)
    assert ModelCard(card).data.to_dict() == head_of(card)
    assert ModelCard(card).text.startswith("\n# Birds")


def test_commands_of_the_card_are_those_of_this_version(networks):
    """Each setting is a flag of the command, so that the lines can be given again."""
    import dataclasses

    from dmgan_tf.training.config import DMGANConfig, PretrainingConfig

    extra = {
        "training": dataclasses.asdict(DMGANConfig()),
        "damsm": {
            **dataclasses.asdict(PretrainingConfig()),
            "image_weights": "somewhere/of/mine",
        },
    }
    card = model_card(VOCABULARY, **networks, extra=extra)
    blocks = re.findall(r"python -m dmgan_tf\.(\w+) --data.*?```", card, re.DOTALL)
    assert blocks == ["pretrain_damsm", "train"]
    for name in (
        *("generator_learning_rate=0.0002", "writing_gate", "gamma3=10.0", "dropout=0.5"),
        "image_weights=INCEPTION",
    ):
        assert f" --{name}" in card


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["text_encoder", "image_encoder"], "dmgan_tf.train --damsm=DIRECTORY"),
        (["generator"], "# DM-GAN"),
        (["image_encoder"], "# Networks of a DM-GAN"),
    ],
)
def test_parts_of_a_model(networks, parts, expected):
    card = model_card(VOCABULARY, **{name: networks[name] for name in parts})
    assert expected in card and "dmgan_tf.sample" not in card
    assert ("pipeline_tag" in head_of(card)) == ("generator" in parts)


def test_published_weights():
    inception = InceptionV3("torchvision")
    inception.build()
    files = {"inception": {"file": "v3.pth", "sha256": "ab" * 32}}
    card = model_card(inception=inception, extra={"converted_from": files})
    assert "# Inception-v3" in card and "--image_weights=DIRECTORY" in card
    assert f"| inception | `v3.pth` | `{'ab' * 8}` |" in card


@pytest.mark.parametrize(
    "extra",
    [
        {"training": "x", "damsm": [], "evaluation": 3, "converted_from": None},
        {"training": {"epochs": {"a": 1}}, "damsm": {"epochs": 1, "retrieval_accuracy": "high"}},
        {"converted_from": {"generator": [None, 3, {"file": "a", "sha256": 4}]}},
        {"training": {"epochs": 3, "x": "$(touch here); `x`\nrm"}},
    ],
)
def test_entries_that_somebody_else_wrote(networks, extra):
    card = model_card(VOCABULARY, **networks, extra=extra)
    assert head_of(card)["library_name"] == "keras"
    assert "--x=" not in card or "'$(touch here); `x`\nrm'" in card


def test_the_attention_baseline_is_called_so():
    generator = built(Generator(4, 5, 3, 6, base_size=16, num_stages=2, refinement="attention"))
    card = model_card(VOCABULARY, generator=generator)
    assert "AttnGAN" in card and "dynamic memory" not in card
