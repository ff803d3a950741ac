"""The README.md of a model directory: a model card in the form that Hugging Face reads.

A card is Markdown with YAML front matter, by which a hub finds and shows the model. Unknown fields
are omitted, not guessed.
"""

import dataclasses
import json
import re
import shlex
import textwrap
from collections.abc import Mapping, Sequence

import keras

from dmgan_tf.layers.word_embedding import WordVectorEmbedding
from dmgan_tf.text.vocabulary import Vocabulary

PAPER = "https://arxiv.org/abs/1904.01310"
HOME = "https://github.com/dmgan-tf/dmgan_tf"
_GLOVE = "https://nlp.stanford.edu/projects/glove/"
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_YAML_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null"}  # "no" is Norwegian
# Settings that are paths on a user's machine.
_PLACES = {"image_weights": "INCEPTION", "word_vectors": "VECTORS"}
_LINE = 96  # characters of a command, before the backslash


@dataclasses.dataclass(frozen=True)
class About:
    """The content of a model card that is not stored in the model.

    Args:
        title: The card's heading; by the networks if not given.
        handle: The argument of `from_preset` and `--model` in the card's examples.
        example: A caption for them.
        license: Of the weights, by Hugging Face's identifier, such as `"apache-2.0"`.
        language: Of the captions, by ISO 639 codes, such as `"en"`.
        datasets: Data sets of Hugging Face that it was trained on, by their identifiers there.
        tags: Tags beside the usual ones.
        data: Of the section on training data, Markdown.
        training: Further text of the section on training, Markdown.
        scores: Of the section on scores, Markdown.
        limits: Further text of the section on limits, Markdown.
    """

    title: str | None = None
    handle: str = "DIRECTORY"
    example: str = "..."
    license: str | None = None
    language: str | Sequence[str] | None = None
    datasets: Sequence[str] = ()
    tags: Sequence[str] = ()
    data: str | None = None
    training: str | None = None
    scores: str | None = None
    limits: str | None = None


def model_card(
    vocabulary: Vocabulary | None = None,
    discriminators: Sequence[keras.Model] = (),
    *,
    text_encoder: keras.Model | None = None,
    generator: keras.Model | None = None,
    image_encoder: keras.Model | None = None,
    inception: keras.Model | None = None,
    extra: Mapping | None = None,
    weights_dtype: str = "float32",
    about: About | None = None,
) -> str:
    """Writes the card of a model.

    Reference:
        Mitchell et al.: Model Cards for Model Reporting. FAT* 2019. The fields of the head are
        those of https://huggingface.co/docs/hub/model-cards.

    Args:
        vocabulary: Its `Vocabulary`; None if it has none.
        discriminators: Its `Discriminator`s.
        text_encoder: Its `TextEncoder`; None, as for all further networks, if it has none.
        generator: Its `Generator`.
        image_encoder: Its `ImageEncoder`.
        inception: Its `InceptionV3`.
        extra: The entries of `config.json` that say how it was trained: `training`, `damsm`,
            `evaluation`, `converted_from`.
        weights_dtype: How the weights are stored.
        about: An `About`.

    Returns:
        Markdown, with YAML front matter.
    """
    about = about or About()
    extra = {name: value for name, value in (extra or {}).items() if isinstance(value, dict)}
    networks = {
        "text encoder": text_encoder,
        "generator": generator,
        "image encoder": image_encoder,
        "Inception-v3": inception,
        **{f"discriminator of {item.image_size} pixels": item for item in discriminators or ()},
    }
    networks = {name: network for name, network in networks.items() if network is not None}
    draws = generator is not None
    title, kind = _title(networks, generator)
    sections = {
        "How to use it": _usage(networks, vocabulary, about),
        "Sizes": _sizes(networks, vocabulary, weights_dtype),
        "Training data": about.data,
        "Training": _joined(_training(extra), about.training),
        "Word vectors": _word_vectors(text_encoder, vocabulary),
        "Scores": _joined(_scores(extra), about.scores),
        "Limits": _joined(_limits(generator, vocabulary) if draws else None, about.limits, by="\n"),
    }
    text = f"{_head(about, draws)}\n\n# {about.title or title}\n\n{_wrapped(kind)}\n"
    for heading, content in sections.items():
        if content:
            text += f"\n## {heading}\n\n{content.strip()}\n"
    return text


def _head(about, draws):
    tags = ["dm-gan", "dmgan_tf", *(["gan", "text-to-image"] if draws else ["damsm"])]
    language = [about.language] if isinstance(about.language, str) else list(about.language or ())
    fields = {
        "library_name": "keras",
        "pipeline_tag": "text-to-image" if draws else None,
        "license": about.license,
        "language": language,
        "datasets": list(about.datasets),
        "tags": list(dict.fromkeys([*tags, *about.tags])),
    }
    lines = ["---"]
    for name, value in fields.items():
        if isinstance(value, str):
            lines.append(f"{name}: {_yaml(value)}")
        elif value:
            lines += [f"{name}:", *(f"- {_yaml(item)}" for item in value)]
    return "\n".join([*lines, "---"])


def _yaml(text):
    """A string of YAML, in quotes where it could be read as something else."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS
    if plain:
        return text
    # JSON's escapes are YAML's but for an emoji, of which JSON makes two halves of a character.
    escaped = (c if ord(c) > 0xFFFF else json.dumps(c)[1:-1] for c in text)
    return f'"{"".join(escaped)}"'


def _title(networks, generator):
    made = f"in the format of [`dmgan_tf`]({HOME}), which runs on Keras 3"
    if generator is not None:
        size = generator.image_sizes[-1]
        refinement = {
            "memory": "a dynamic memory of the caption's words",
            "attention": "attention to the caption's words, as in its baseline, AttnGAN",
        }[generator.refinement]
        return f"DM-GAN, {size} pixels", (
            f"A [DM-GAN]({PAPER}): it draws a picture of {size}×{size} pixels from a caption. An "
            f"initial stage draws a small one; refinement stages, each with {refinement}, bring it "
            f"to its size. The model is {made}."
        )
    if "Inception-v3" in networks:
        return "Inception-v3", f"Published weights of an image classifier, {made}."
    return "Networks of a DM-GAN", f"Networks of a [DM-GAN]({PAPER}), {made}."


def _usage(networks, vocabulary, about):
    install = f'```\npip install "git+{HOME}"\n'
    if {"generator", "text encoder"} <= networks.keys() and vocabulary is not None:
        caption = json.dumps(about.example, ensure_ascii=False)
        return _explained(
            f"{install}python -m dmgan_tf.sample --model={about.handle} --caption={caption} "
            "--output=samples\n```\n\n"
            "```python\nfrom dmgan_tf import DMGANTextToImage\n\n"
            f'model = DMGANTextToImage.from_preset("{about.handle}")\n'
            "# uint8 (captions, height, width, 3)\n"
            f"images = model.generate([{caption}], seed=0)\n"
            "```",
            about,
        )
    if {"text encoder", "image encoder"} == networks.keys() and vocabulary is not None:
        command = f"python -m dmgan_tf.train --damsm={about.handle} --data=DATA --run=RUN"
    elif "Inception-v3" in networks:
        command = (
            "python -m dmgan_tf.pretrain_damsm --image_backbone=inception_v3 \\\n"
            f"    --image_weights={about.handle} --data=DATA --run=RUN"
        )
    else:
        return None
    return _explained(f"{install}{command}\n```", about)


def _explained(code, about):
    if about.handle != About.handle:
        return code
    explanation = (
        f"`{about.handle}` is this directory; of an upload to Hugging Face it is "
        "`hf://USER/NAME`, of one to Kaggle `kaggle://USER/NAME/keras/VARIATION`."
    )
    return f"{code}\n\n{_wrapped(explanation)}"


def _sizes(networks, vocabulary, weights_dtype):
    rows = ["| part | size |", "|---|---|"]
    for name, network in networks.items():
        rows.append(f"| {name} | {network.count_params():,} parameters |")
        if name == "generator":
            sizes = ", ".join(map(str, network.image_sizes))
            rows.append(f"| stages | {sizes} pixels |")
        if name == "Inception-v3":
            rows.append(f"| arithmetic | that of {network.variant} |")
    if vocabulary is not None:
        rows.append(f"| vocabulary | {len(vocabulary) - 1:,} words |")
    rows.append(f"| weights | stored as {weights_dtype} |")
    return "\n".join(rows)


def _training(extra):
    """The training settings in `config.json`, as commands that can be run again."""
    blocks = []
    damsm, training = extra.get("damsm", {}), extra.get("training", {})
    if "epochs" in damsm and "converted_from" not in extra:
        places = ["--data=DATA", "--run=DAMSM"]
        blocks.append("The text and the image encoder, by their settings:")
        blocks.append(_command("pretrain_damsm", places, damsm))
    if "epochs" in training:
        places = ["--data=DATA", "--damsm=DAMSM", "--run=RUN"]
        blocks.append("The generator:")
        blocks.append(_command("train", places, training))
    files = [
        f"| {name.replace('_', ' ')} | `{item['file']}` | `{str(item.get('sha256', ''))[:16]}` |"
        for name, items in extra.get("converted_from", {}).items()
        for item in (items if isinstance(items, list) else [items])
        if isinstance(item, dict) and "file" in item
    ]
    if files:
        blocks.append("Converted from published weights:")
        blocks.append("\n".join(["| network | file | SHA-256 |", "|---|---|---|", *files]))
    return "\n\n".join(blocks)


def _command(name, places, settings):
    flags = [
        _flag(setting, value)
        for setting, value in settings.items()
        if isinstance(value, (bool, int, float, str)) and not setting.startswith("retrieval_")
    ]
    lines = [f"python -m dmgan_tf.{name}"]
    for word in [*places, *flags]:
        if len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append("   ")
        lines[-1] += f" {word}"
    return "```\n" + " \\\n".join(lines) + "\n```"


def _flag(name, value):
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    place = None if value == "glove" else _PLACES.get(name)
    return f"--{name}={place or shlex.quote(str(value))}"


def _scores(extra):
    lines = []
    damsm, evaluation = extra.get("damsm", {}), extra.get("evaluation", {})
    if _are_numbers(damsm, "retrieval_accuracy", "retrieval_chance"):
        split = damsm.get("retrieval_split")
        lines.append(
            f"- text and image encoder: {damsm['retrieval_accuracy']:.1%} of pictures"
            f"{f' of the {split} split' if isinstance(split, str) else ''} find their caption "
            f"(chance {damsm['retrieval_chance']:.1%})"
        )
    figures = ("epoch", "step", "fid", "num_images", "num_reference")
    if _are_numbers(evaluation, *figures, "r_precision", "r_precision_chance"):
        lines.append(
            f"- chosen after epoch {evaluation['epoch']} (step {evaluation['step']}) for the "
            f"lowest FID of the run, {evaluation['fid']:.4g} by `{evaluation.get('protocol')}`: "
            f"{evaluation['num_images']:,} images of validation captions against "
            f"{evaluation['num_reference']:,} real ones; R-precision by the DAMSM of training "
            f"{evaluation['r_precision']:.1f} % (chance {evaluation['r_precision_chance']:.1f} %). "
            "These compare the epochs of a run, not papers."
        )
    return "\n".join(_wrapped(line, "  ") for line in lines)


def _are_numbers(entry, *names):
    values = [entry.get(name) for name in names]
    return all(isinstance(value, (int, float)) for value in values)


def _word_vectors(text_encoder, vocabulary):
    """The origin and licence of published word vectors."""
    embedding = getattr(text_encoder, "embedding", None)
    if not isinstance(embedding, WordVectorEmbedding):
        return None
    of = f"those of the file `{embedding.source}`, under its own licence"
    if embedding.source == "glove":
        of = (
            f"those of [GloVe 6B]({_GLOVE}) (Jeffrey Pennington, Richard Socher and Christopher D. "
            "Manning: GloVe: Global Vectors for Word Representation, 2014), which are in the "
            "public domain under the Open Data Commons Public Domain Dedication and License 1.0"
        )
    words = "" if vocabulary is None else f" of {len(vocabulary) - 1:,} words"
    return _wrapped(
        f"The text encoder holds fixed vectors of {embedding.vector_dim} values{words} in float16, "
        f"{of}. Of words of the training captions it has learned a vector beside."
    )


def _limits(generator, vocabulary):
    size = generator.image_sizes[-1]
    limits = [
        f"- It draws pictures like its training data, {size}×{size} pixels large; it is not a "
        "model of pictures or of language in general."
    ]
    if vocabulary is not None:
        trained = ""
        if vocabulary.is_open:
            trained = (
                f" Its training captions had {len(vocabulary.trained_words):,} of them; of the "
                "others it has only the word vectors."
            )
        limits.append(
            f"- It knows {len(vocabulary) - 1:,} words, those of `vocabulary.txt`.{trained} Others "
            "are dropped, with a warning; a caption without a known word is an error."
        )
    return "\n".join(_wrapped(limit, "  ") for limit in limits)


def _wrapped(text, indent=""):
    return textwrap.fill(
        text, _LINE, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _joined(*parts, by="\n\n"):
    return by.join(part.strip() for part in parts if part and part.strip())
