r"""Measures how well a generator follows captions of held-out classes, by a DAMSM.

Each generated image must find its caption among 100, of which 99 are of other classes; beside it
stand the same figures for the real images of those captions, and for images generated from the
captions of others. A DAMSM flatters the generator that was trained against it, so give another,
trained apart.

  python benchmarks/caption_retrieval.py --model=runs/emoji --damsm=runs/damsm_2 --data=data/emoji
"""

import numpy as np
import tensorflow as tf
from absl import flags
from tqdm import tqdm

from dmgan_tf import command
from dmgan_tf.data.pipeline import evaluation_dataset
from dmgan_tf.errors import InputError
from dmgan_tf.models.model_directory import load_model_directory
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.training.damsm import retrieval_accuracy

BATCH_SIZE = 32


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Run or model directory of the generator.")
    flags.DEFINE_string("damsm", None, "Run or model directory of the DAMSM that scores.")
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_bool("crop", False, "Score the middle 64/76 of real images, not all of them.")
    flags.DEFINE_integer("seed", 0, "Of the noise.")


def main():
    """Generates an image for each test caption, and prints the three accuracies."""
    options = flags.FLAGS
    for name in ("model", "damsm", "data"):
        if not options[name].value:
            raise InputError(f"Expected --{name}=DIR. Received: nothing. See --help.")
    model = DMGANTextToImage.from_preset(options.model)
    damsm = load_model_directory(options.damsm)
    real, captions, class_ids, sentences = read_test_split(
        options.data, damsm, model.generator.image_sizes[-1], options.crop
    )
    generated = []
    for start in tqdm(range(0, len(captions), BATCH_SIZE), unit="batch"):
        batch = captions[start : start + BATCH_SIZE]
        generated.append(model.generate(batch, seed=options.seed, first_row=start))
    generated = np.concatenate(generated) / 127.5 - 1
    # A shift by a third of the split gives every image a caption of another class.
    shift = len(captions) // 3
    for name, images in (
        ("real images", real),
        ("generated images", generated),
        ("generated for other captions", np.roll(generated, shift, axis=0)),
    ):
        accuracy, chance = retrieval_accuracy(
            encode_images(damsm, images), sentences, class_ids, seed=options.seed
        )
        print(f"{name:30} {accuracy:6.1%}  (chance {chance:.1%}, {len(images)} images)")


def read_test_split(data, damsm, image_size, crop):
    """Images, captions, classes and sentence embeddings of the held-out images."""
    dataset = evaluation_dataset(
        data,
        tokenizer=Tokenizer(damsm.vocabulary),
        image_sizes=(image_size,),
        batch_size=BATCH_SIZE,
        crop=crop,
    )
    images, captions, class_ids, sentences = [], [], [], []
    for batch in dataset:
        images.append(batch["images"][-1].numpy())
        captions += [caption.decode() for caption in batch["captions"].numpy()]
        class_ids.append(batch["class_ids"].numpy())
        sentences.append(damsm.text_encoder(batch["token_ids"])["sentence_embedding"].numpy())
    return np.concatenate(images), captions, np.concatenate(class_ids), np.concatenate(sentences)


def encode_images(damsm, images):
    """The DAMSM's image codes, `(images, dim)`."""
    encode = tf.function(lambda batch: damsm.image_encoder(batch)["image_code"])
    batches = [images[i : i + BATCH_SIZE] for i in range(0, len(images), BATCH_SIZE)]
    return np.concatenate([encode(np.float32(batch)).numpy() for batch in batches])


if __name__ == "__main__":
    define_flags()
    command.run(main)
