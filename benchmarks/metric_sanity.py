r"""Shows how the metrics respond to distortions of real images of a prepared data set.

FID and KID of the test images, compared with themselves, the training images, and copies that are
increasingly blurred, noisy or mixed with other images; R-precision of real images with their own
captions and with those of others. With a model, also of its images. Last, how often the nearest
other test image by the protocol's features has the same class, among all images and among those of
other folders of the source (in the emoji sets a folder is a style).

  python -m dmgan_tf.prepare_data --source=emoji --image_size=64 --output=runs/emoji
  python -m dmgan_tf.pretrain_damsm --flagfile=configs/quickstart_damsm.flags \
      --data=runs/emoji --run=runs/damsm
  python benchmarks/metric_sanity.py --data=runs/emoji --damsm=runs/damsm
"""

import dataclasses

import numpy as np
from absl import flags
from PIL import Image, ImageFilter

from dmgan_tf import command
from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import first_captions
from dmgan_tf.evaluate.images import GeneratedImages, ImageSource, StoredImages
from dmgan_tf.evaluate.judges import damsm_judge
from dmgan_tf.evaluate.networks import choose_networks
from dmgan_tf.evaluate.report import value_text
from dmgan_tf.evaluate.scoring import Settings, measure_reference, score_images
from dmgan_tf.models.text_to_image import DMGANTextToImage

BLUR_RADII = (0.5, 1, 2, 4)  # pixels
NOISE_DEVIATIONS = (4, 16, 64)  # levels of 255
MIXED_SHARES = (0.1, 0.25, 0.5)  # of another image


class ChangedImages(ImageSource):
    """The images of another source, each changed in the same way."""

    def __init__(self, source, change):
        self.num_images, self.plan = source.num_images, source.plan
        self._source, self._change = source, change

    def batches(self, start, batch_size):
        for batch in self._source.batches(start, batch_size):
            yield self._change(batch)

    def description(self):
        return {"kind": "changed", "source": self._source.description()}


def blurred(radius):
    """A function that blurs images by a Gaussian of `radius` pixels."""
    gaussian = ImageFilter.GaussianBlur(radius)
    return lambda images: np.stack(
        [np.asarray(Image.fromarray(image).filter(gaussian)) for image in images]
    )


def noised(deviation):
    """A function that adds Gaussian noise of `deviation` levels to images."""
    generator = np.random.default_rng(0)

    def change(images):
        noise = generator.normal(0, deviation, images.shape)
        return np.uint8(np.clip(np.rint(images + noise), 0, 255))

    return change


def mixed(share):
    """A function that mixes each image of a batch with the next one."""

    def change(images):
        mixture = (1 - share) * images + share * np.roll(images, -1, axis=0)
        return np.uint8(np.rint(mixture))

    return change


def print_retrieval(images, network, caption_list):
    """Prints how often the nearest other image, by cosine, is of the same class."""
    batches = images.batches(0, 64)
    features = np.concatenate([np.asarray(network(batch)["features"]) for batch in batches])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    similarities = features @ features.T
    same_class = np.equal.outer(caption_list.class_ids, caption_list.class_ids)
    folders = [name.rpartition("/")[0] for name in caption_list.file_names]
    for among, left_out in (
        ("all others", np.eye(len(features), dtype=bool)),
        ("other folders", np.equal.outer(folders, folders)),
    ):
        can_be_found = (same_class & ~left_out).any(1)
        nearest = np.where(left_out, -2, similarities).argmax(1)
        found = same_class[np.arange(len(nearest)), nearest][can_be_found]
        if len(found):
            print(f"nearest among {among} is of its class: {found.mean():.1%} of {len(found):,}")


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("data", None, "Data directory that prepare_data made.")
    flags.DEFINE_string("damsm", None, "Run or model directory of the DAMSM for R-precision.")
    flags.DEFINE_string("model", None, "A model to score with the real images.")
    flags.DEFINE_string("protocol", "lite0", "A protocol that defines FID and KID.")
    flags.DEFINE_multi_string("inception", [], "Weights of Inception-v3, if the protocol needs it.")
    flags.DEFINE_bool("crop", False, "Take the middle 64/76 of the images, not all of them.")


def main():
    """Measures and prints one row for each set of images."""
    options = flags.FLAGS
    if not options.data:
        raise InputError("Expected --data=DIR, a prepared data set. Received: nothing. See --help.")
    (network,) = choose_networks(("fid", "kid"), [options.protocol], options.inception)
    size = load_dataset_info(options.data).image_size

    def images_of(split):
        plan = first_captions(list_captions(options.data, split), {})
        return StoredImages(options.data, split, size=size, crop=options.crop, plan=plan)

    test = images_of("test")
    settings = Settings(subset_size=min(500, test.num_images), batch_size=64)
    references = measure_reference(
        test, [network], ("fid", "kid"), settings=settings, show_progress=True
    )
    judge = damsm_judge(options.damsm, test.plan) if options.damsm else None
    # A shift by a third of the split gives every image a caption of another class.
    third = np.roll(test.plan.rows, test.num_images // 3)
    others = ChangedImages(test, lambda images: images)
    others.plan = dataclasses.replace(test.plan, rows=third)
    sets = [
        ("test, itself", test, True),
        ("test, captions of others", others, True),
        ("train", images_of("train"), False),
        *((f"test, blurred by {r} px", ChangedImages(test, blurred(r)), True) for r in BLUR_RADII),
        *((f"test, noise of {d}", ChangedImages(test, noised(d)), True) for d in NOISE_DEVIATIONS),
        *((f"test, mixed by {s:.0%}", ChangedImages(test, mixed(s)), True) for s in MIXED_SHARES),
    ]
    if options.model:
        model = DMGANTextToImage.from_preset(options.model)
        sets.append((f"drawn by {options.model}", GeneratedImages(model, test.plan), True))
    print(f"{network.description}; against {test.num_images} test images of {size} px")
    print(f"{'images':30} {'number':>7} {'FID':>8} {'KID':>20} {'R-precision':>18}")
    for name, images, with_captions in sets:
        scores = score_images(
            images,
            [network],
            ("fid", "kid"),
            references=references,
            judges=[judge] if judge and with_captions else [],
            settings=settings,
            show_progress=True,
        )
        found = {score.metric: value_text(score) for score in scores}
        print(
            f"{name:30} {images.num_images:7,} {found['fid']:>8} {found['kid']:>20} "
            f"{found.get('r_precision', ''):>18}",
            flush=True,
        )
    print_retrieval(test, network, list_captions(options.data, "test"))
    if judge:
        print(f"R-precision by chance: {judge.retrieval.chance:.2%}")


if __name__ == "__main__":
    define_flags()
    command.run(main)
