"""Every source of images begins anywhere, and a model's are those that `generate` draws."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.evaluate.images import FolderImages, GeneratedImages, StoredImages
from dmgan_tf.models.text_to_image import DMGANTextToImage


@pytest.fixture(scope="module")
def plan(prepared_data):
    return choose_captions(list_captions(prepared_data, "test"), 11, 0, {})


def close_to(images, expected):
    """Within a level of 255: rows are rounded after sums in another order."""
    assert images.shape == expected.shape and images.dtype == expected.dtype == np.uint8
    assert np.abs(images.astype(int) - expected).max() <= 1


@pytest.fixture(scope="module")
def model(vivid_model):
    return DMGANTextToImage.from_preset(vivid_model)


@pytest.fixture(scope="module")
def expected(model, plan):
    """What `generate` draws of the plan."""
    return model.generate(plan.texts(0, 11), seed=5)


def test_a_models_images_are_those_of_generate_and_begin_anywhere(model, plan, expected):
    assert expected.std() > 20  # a grey image would be like any other
    images = GeneratedImages(model, plan, seed=5)
    close_to(np.concatenate(list(images.batches(0, 4))), expected)
    close_to(np.concatenate(list(images.batches(6, 4))), expected[6:])
    others = GeneratedImages(model, plan, seed=6)
    others._traced = images._traced  # the graph is the same, so it need not be made again
    assert np.abs(next(others.batches(0, 4)).astype(int) - expected[:4]).max() > 20


def test_two_replicas_draw_the_same(vivid_model, plan, expected, two_replicas):
    with two_replicas.scope():
        model = DMGANTextToImage.from_preset(vivid_model)
    images = GeneratedImages(model, plan, seed=5, strategy=two_replicas)
    close_to(np.concatenate(list(images.batches(0, 4))), expected)


def test_a_models_description_knows_seed_and_weights(vivid_model, plan):
    model = DMGANTextToImage.from_preset(vivid_model)  # whose weights change here
    first = GeneratedImages(model, plan, seed=5).description()
    assert first == GeneratedImages(model, plan, seed=5).description()
    assert first["seed"] != GeneratedImages(model, plan, seed=6).description()["seed"]
    weight = model.generator.weights[0]
    weight.assign(weight + 1)
    changed = GeneratedImages(model, plan, seed=5).description()
    assert changed["weights_sha256"] != first["weights_sha256"]


@pytest.fixture
def folder(tmp_path):
    for number in range(5):
        pixels = np.full((6, 8, 3), 40 * number, "uint8")
        (tmp_path / "b").mkdir(exist_ok=True)
        name = f"b/{number}.png" if number % 2 else f"{number}.png"
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


def levels(images):
    return [int(image[0, 0, 0]) for image in images]


def test_a_folders_images_come_in_the_order_of_their_names(folder):
    images = FolderImages(folder)
    assert images.num_images == 5 and images.size == (6, 8)
    batches = list(images.batches(0, 2))
    assert [batch.shape for batch in batches] == [(2, 6, 8, 3), (2, 6, 8, 3), (1, 6, 8, 3)]
    assert levels(np.concatenate(batches)) == [0, 80, 160, 40, 120]
    assert levels(np.concatenate(list(images.batches(3, 4)))) == [40, 120]
    assert list(images.batches(5, 4)) == []


def test_as_many_as_asked_for(folder):
    assert levels(np.concatenate(list(FolderImages(folder, 2).batches(0, 4)))) == [0, 80]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_every_kind_of_picture_is_read_as_rgb(tmp_path, mode):
    Image.new("RGB", (4, 4), (100, 100, 100)).convert(mode).save(tmp_path / "x.png")
    (batch,) = FolderImages(tmp_path).batches(0, 1)
    assert batch.shape == (1, 4, 4, 3) and abs(levels(batch)[0] - 100) < 3


def test_metadata_gives_order_captions_and_classes(folder):
    lines = [
        {"file_name": "4.png", "text": "four", "class_id": 7},
        {"file_name": "0.png", "text": ["zero", "none"]},
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    images = FolderImages(folder)
    assert levels(np.concatenate(list(images.batches(0, 2)))) == [160, 0]
    captions, class_ids = images.captions_and_classes()
    assert captions == ["four", "zero"] and class_ids == [7, None]


def test_without_metadata_there_are_no_captions(folder):
    assert FolderImages(folder).captions_and_classes() is None


def test_the_description_knows_the_files(folder):
    first = FolderImages(folder).description()
    Image.new("RGB", (8, 6), "red").save(folder / "6.png")
    assert FolderImages(folder).description()["listing_sha256"] != first["listing_sha256"]


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="Expected images .* Received: none"):
        FolderImages(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        FolderImages(tmp_path / "none")


def test_fewer_images_than_asked_for(folder):
    with pytest.raises(InputError, match="Expected 6 images .* Received: 5"):
        FolderImages(folder, 6)


def test_mixed_sizes(folder):
    Image.new("RGB", (8, 8)).save(folder / "c.png")
    with pytest.raises(InputError, match="one size .* 0.png of 8x6 and c.png of 8x8 pixels"):
        FolderImages(folder)


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_a_file_that_is_no_image(folder, content):
    (folder / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match="broken.png"):
        FolderImages(folder)


def test_an_image_cut_short(folder):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (6, 8, 3), "uint8")).save(
        folder / "cut.png"
    )
    content = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut.png"):
        list(FolderImages(folder).batches(0, 8))


def test_a_listed_image_that_is_missing(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "gone.png", "text": "x"}')
    with pytest.raises(InputError, match="gone.png"):
        FolderImages(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_listed_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "pipe.png", "text": "x"}')
    with pytest.raises(InputError, match="pipe.png"):
        FolderImages(folder)


def test_an_image_that_is_listed_twice(folder):
    (folder / "metadata.jsonl").write_text(2 * '{"file_name": "0.png", "text": "x"}\n')
    with pytest.raises(InputError, match="every image once .* 0.png 2 times"):
        FolderImages(folder)


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_more_than_8_bits_are_not_cut_off(folder, dtype):
    Image.fromarray(np.full((6, 8), 1000, dtype)).save(folder / "deep.tif")
    with pytest.raises(InputError, match="8 bits a channel .*deep.tif"):
        FolderImages(folder)


def test_names_need_not_be_utf_8(folder):
    try:
        os.rename(folder / "2.png", os.fsencode(folder) + b"/\xff.png")
    except OSError:
        pytest.skip("names are UTF-8 in this file system")
    assert FolderImages(folder).description()["listing_sha256"]


def test_other_pictures_of_the_same_names_and_sizes_are_told_apart(folder):
    first = FolderImages(folder).description()
    os.utime(folder / "2.png", (2e9, 2e9))
    assert FolderImages(folder).description() != first


def test_an_empty_caption_is_none(folder):
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": ["", "a bird"]}\n')
    assert FolderImages(folder).captions_and_classes() == (["a bird"], [None])
    (folder / "metadata.jsonl").write_text('{"file_name": "0.png", "text": " "}\n')
    assert FolderImages(folder).captions_and_classes() is None


def test_a_data_sets_images_begin_anywhere(prepared_data):
    images = StoredImages(prepared_data, "test", size=16, crop=True)
    whole = np.concatenate(list(images.batches(0, 4)))
    assert whole.shape == (6, 16, 16, 3) and images.num_images == 6
    np.testing.assert_array_equal(np.concatenate(list(images.batches(3, 2))), whole[3:])
    few = StoredImages(prepared_data, "test", size=16, crop=True, num_images=5)
    np.testing.assert_array_equal(np.concatenate(list(few.batches(2, 2))), whole[2:5])


def test_single_images_of_every_source(model, plan, expected, folder, prepared_data):
    drawn = GeneratedImages(model, plan, seed=5).at([7, 2, 7])
    close_to(np.stack(drawn), expected[[7, 2, 7]])
    for source in (
        FolderImages(folder),
        StoredImages(prepared_data, "train", size=24, crop=True),
    ):
        everything = np.concatenate(list(source.batches(0, 8)))
        np.testing.assert_array_equal(source.at([1, 0, 1]), everything[[1, 0, 1]])


def test_more_images_than_a_split_has(prepared_data):
    with pytest.raises(InputError, match="Expected 7 images .* Received: 6"):
        StoredImages(prepared_data, "test", size=16, crop=True, num_images=7)
