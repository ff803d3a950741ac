import io
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dmgan_tf.data import pipeline, preparation, records
from dmgan_tf.data.readable import reading
from dmgan_tf.data.sources.source import CaptionedImage
from dmgan_tf.errors import InputError
from dmgan_tf.text.tokenizer import Tokenizer
from dmgan_tf.text.vocabulary import Vocabulary

NUM_IMAGES, BATCH = 22, 4
LONG_CAPTION = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Images of 24x30 pixels, each with its number as its grey level, and two captions."""
    folder = tmp_path_factory.mktemp("source")
    images = []
    for number in range(NUM_IMAGES + 5):
        path = folder / f"{number}.png"
        pixels = np.full((24, 30, 3), 8 * number, np.uint8)
        pixels[:, :15, 0] += 20  # the left half is redder
        Image.fromarray(pixels).save(path)
        captions = (LONG_CAPTION, f"number {number}")
        images.append(CaptionedImage(path, path.name, captions, number))
    output = tmp_path_factory.mktemp("prepared")
    splits = {"train": images[:NUM_IMAGES], "test": images[NUM_IMAGES:]}
    preparation.prepare(splits, output, name="grey", image_size=20, num_shards=3)
    return output


@pytest.fixture(scope="module")
def tokenizer(directory):
    return Tokenizer(records.load_dataset_info(directory).vocabulary())


def train_batches(directory, tokenizer, **settings):
    settings = {"image_sizes": (10, 20), "batch_size": BATCH, "num_steps": 10, **settings}
    dataset = pipeline.training_dataset(directory, tokenizer=tokenizer, **settings)
    return list(dataset.as_numpy_iterator())


def assert_same(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, other)


def test_shapes_types_and_ranges(directory, tokenizer):
    dataset = pipeline.training_dataset(
        directory, tokenizer=tokenizer, image_sizes=(10, 20), batch_size=BATCH, num_steps=3
    )
    assert dataset.element_spec == {
        "images": tuple(tf.TensorSpec((BATCH, size, size, 3), tf.float32) for size in (10, 20)),
        "token_ids": tf.TensorSpec((BATCH, 18), tf.int32),
        "class_ids": tf.TensorSpec((BATCH,), tf.int32),
    }
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == len(dataset) == 3
    for batch in batches:
        for image in batch["images"]:
            assert image.min() >= -1 and image.max() <= 1
            grey = (image[..., 1].mean(axis=(1, 2)) + 1) * 127.5
            np.testing.assert_allclose(grey, 8 * batch["class_ids"], atol=3)


def test_the_share_of_captions_that_contain_each_word(directory, tokenizer):
    words = tokenizer.vocabulary.words
    for batch in train_batches(directory, tokenizer, num_steps=2, num_words=len(words)):
        for shares, number in zip(batch["word_shares"], batch["class_ids"], strict=True):
            expected = {*LONG_CAPTION.split(), "number", str(number)}
            assert {words[id_] for id_ in np.flatnonzero(shares)} == expected
            assert set(shares[shares > 0]) == {0.5}
    (batch,) = train_batches(directory, tokenizer, num_steps=1, num_words=3)
    np.testing.assert_array_equal(batch["word_shares"] > 0, [[False, True, True]] * BATCH)


def test_an_epoch_has_every_image_at_most_once_and_epochs_differ(directory, tokenizer):
    steps = pipeline.steps_per_epoch(directory, "train", BATCH)
    assert steps == NUM_IMAGES // BATCH == 5
    batches = train_batches(directory, tokenizer, num_steps=4 * steps)
    ids = np.reshape([batch["class_ids"] for batch in batches], (4, -1))
    assert all(len(set(epoch)) == steps * BATCH for epoch in ids)
    assert len({tuple(epoch) for epoch in ids}) == 4
    assert set(ids.ravel()) == set(range(NUM_IMAGES))


@pytest.fixture(scope="module")
def batches_of_seed_3(directory, tokenizer):
    return train_batches(directory, tokenizer, num_steps=12, seed=3)


@pytest.mark.parametrize(
    "start_step, cache", [(1, True), (4, False), (5, True), (5, False), (7, True), (10, False)]
)
def test_restart_equals_no_interruption(directory, tokenizer, batches_of_seed_3, start_step, cache):
    rest = train_batches(
        directory, tokenizer, num_steps=12, seed=3, start_step=start_step, cache=cache
    )
    assert_same(batches_of_seed_3[start_step:], rest)


def test_seed_decides(directory, tokenizer, batches_of_seed_3):
    first, again = batches_of_seed_3, train_batches(directory, tokenizer, num_steps=12, seed=3)
    other = train_batches(directory, tokenizer, num_steps=12, seed=6)
    assert_same(first, again)
    assert any((a["class_ids"] != b["class_ids"]).any() for a, b in zip(first, other, strict=True))
    # Which caption stands at a place does not depend on the image there: its draws differ, too.
    of_words = [[(batch["token_ids"] > 0).sum(1) for batch in each] for each in (first, other)]
    assert not np.array_equal(*of_words)


def test_nothing_left_to_do(directory, tokenizer):
    assert train_batches(directory, tokenizer, num_steps=5, start_step=5) == []


def test_captions_are_chosen_at_random(directory, tokenizer):
    batches = train_batches(directory, tokenizer, num_steps=50)
    lengths = np.concatenate([(batch["token_ids"] > 0).sum(1) for batch in batches])
    assert set(lengths) == {2, 10}
    assert 0.35 < (lengths == 2).mean() < 0.65


def test_long_captions_lose_random_words_in_order(directory, tokenizer):
    ids = tokenizer.encode(LONG_CAPTION)
    rank = {id_: position for position, id_ in enumerate(ids)}
    batches = train_batches(directory, tokenizer, num_steps=50, max_words=4)
    rows = [row for batch in batches for row in batch["token_ids"] if row[0] in rank]
    assert len(rows) > 50
    ranks = np.array([[rank[id_] for id_ in row] for row in rows])
    assert ranks.shape[1] == 4 and (np.diff(ranks) > 0).all()
    assert set(ranks.ravel()) == set(range(10))
    assert len({tuple(row) for row in ranks}) > 30
    short = [row for batch in batches for row in batch["token_ids"] if row[0] not in rank]
    assert all((row[:2] > 0).all() and (row[2:] == 0).all() for row in short)


def test_flip_mirrors_half_of_the_images(directory, tokenizer):
    def share_of_mirrored(**settings):
        batches = train_batches(directory, tokenizer, num_steps=50, crop=False, **settings)
        images = np.concatenate([batch["images"][1] for batch in batches])
        return (images[:, :, -3:, 0].mean((1, 2)) > images[:, :, :3, 0].mean((1, 2)) + 0.05).mean()

    assert 0.35 < share_of_mirrored() < 0.65
    assert share_of_mirrored(flip=False) == 0


def test_noise_leaves_all_else_as_it_is_and_goes_on_where_a_run_stopped(directory, tokenizer):
    clean = train_batches(directory, tokenizer)
    noisy = train_batches(directory, tokenizer, noise=0.5)
    for batch, other in zip(clean, noisy, strict=True):
        np.testing.assert_array_equal(batch["token_ids"], other["token_ids"])
        differences = (other["images"][1] - batch["images"][1]).reshape(BATCH, -1)
        assert (differences.std(1) > 0).all() and (np.abs(differences.mean(1)) < 0.1).all()
        assert not np.allclose(differences[0], differences[1], atol=0.01)
    assert_same(noisy[6:], train_batches(directory, tokenizer, noise=0.5, start_step=6))


def test_crops_cover_the_free_space_and_sizes_agree(directory, tokenizer):
    batches = train_batches(directory, tokenizer, num_steps=50, flip=False)
    large = np.concatenate([batch["images"][1] for batch in batches])
    small = np.concatenate([batch["images"][0] for batch in batches])
    excess = (large[..., 0] - large[..., 1]).mean(1)
    edge = (excess > excess.max(1, keepdims=True) / 2).sum(1)
    assert edge.min() <= 6 and edge.max() >= 14  # where the redder half ends in the crop
    halved = large.reshape(-1, 10, 2, 10, 2, 3).mean((2, 4))
    assert np.abs(halved - small).mean() < 0.01


def test_evaluation_is_one_pass_in_order(directory, tokenizer):
    dataset = pipeline.evaluation_dataset(
        directory, tokenizer=tokenizer, image_sizes=(10, 20), batch_size=2
    )
    batches = list(dataset.as_numpy_iterator())
    assert [len(batch["captions"]) for batch in batches] == [2, 2, 1]
    ids = np.concatenate([batch["class_ids"] for batch in batches])
    np.testing.assert_array_equal(ids, range(NUM_IMAGES, NUM_IMAGES + 5))
    for batch in batches:
        assert set(batch["captions"]) == {LONG_CAPTION.encode()}
        assert [image.shape[1:] for image in batch["images"]] == [(10, 10, 3), (20, 20, 3)]
        np.testing.assert_array_equal(batch["token_ids"][0], tokenizer.encode(LONG_CAPTION))
    assert_same(batches, list(dataset.as_numpy_iterator()))


def test_evaluation_crops_the_middle(directory, tokenizer):
    """The redder half ends where the middle of the image is."""
    for crop in (True, False):
        dataset = pipeline.evaluation_dataset(
            directory, tokenizer=tokenizer, image_sizes=(20,), batch_size=5, crop=crop
        )
        (image,) = next(dataset.as_numpy_iterator())["images"]
        excess = (image[..., 0] - image[..., 1]).mean((0, 1))
        assert (excess[:8] > 0.1).all() and (excess[12:] < 0.05).all()


def test_distributed_batches_are_the_same(directory, tokenizer):
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    dataset = pipeline.training_dataset(
        directory, tokenizer=tokenizer, image_sizes=(10, 20), batch_size=BATCH, num_steps=6
    )
    distributed = strategy.experimental_distribute_dataset(dataset)
    batches = [tf.nest.map_structure(lambda tensor: tensor.numpy(), b) for b in distributed]
    assert_same(batches, list(dataset.as_numpy_iterator()))


def test_data_set_that_is_too_small(directory, tokenizer):
    for build, settings in (
        (pipeline.training_dataset, {"num_steps": 1}),
        (pipeline.evaluation_dataset, {}),
    ):
        with pytest.raises(InputError, match="64 pixels.*prepared for 20.*--image_size=64"):
            build(directory, tokenizer=tokenizer, image_sizes=(32, 64), batch_size=2, **settings)


def test_vocabulary_that_is_not_the_encoders(directory):
    other = Tokenizer(Vocabulary(["a", "number"]))
    info = records.load_dataset_info(directory)
    with pytest.raises(InputError, match="the data set .* the encoder"):
        pipeline.check_tokenizer(info, other)
    with pytest.raises(InputError, match="--vocabulary=FILE"):
        train_batches(directory, other)
    with pytest.raises(InputError, match="--vocabulary=FILE"):
        pipeline.evaluation_dataset(directory, tokenizer=other, image_sizes=(20,), batch_size=2)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"batch_size": 0}, "batch size"),
        ({"batch_size": NUM_IMAGES + 1}, f"the {NUM_IMAGES} images"),
        ({"image_sizes": (20, 10)}, "ascending"),
        ({"image_sizes": ()}, "ascending"),
        ({"max_words": 0}, "max_words"),
        ({"split": "validation"}, "images in: train, test"),
    ],
)
def test_arguments_are_checked(directory, tokenizer, settings, message):
    with pytest.raises(InputError, match=message):
        train_batches(directory, tokenizer, **settings)


def test_kept_grey_jpeg_has_three_channels(tmp_path):
    buffer = io.BytesIO()
    Image.new("L", (20, 20), 100).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    images = [CaptionedImage(tmp_path / "a.jpg", "a.jpg", ("grey",), 0)]
    info = preparation.prepare(
        {"train": images, "test": []}, tmp_path / "out", name="grey", image_size=20
    )
    (batch,) = train_batches(
        tmp_path / "out", Tokenizer(info.vocabulary()), batch_size=1, num_steps=1
    )
    np.testing.assert_allclose(batch["images"][1], 100 / 127.5 - 1, atol=0.02)


def test_words_are_chosen_by_a_stream_of_their_own(directory, tokenizer, monkeypatch):
    """The seed of a batch's words is not that of the draws for its first image."""
    seeds = {"draws": [], "words": []}
    uniform, choose = tf.random.stateless_uniform, pipeline.random_words

    def note(kind, seed):
        tf.py_function(lambda value: seeds[kind].append(tuple(value.numpy())), [seed], [])

    def noted_uniform(shape, seed, **options):
        if shape == [4]:  # the draws for one image
            note("draws", seed)
        return uniform(shape, seed, **options)

    def noted_words(words, max_words, seed, *rows):
        note("words", seed)
        return choose(words, max_words, seed, *rows)

    monkeypatch.setattr(tf.random, "stateless_uniform", noted_uniform)
    monkeypatch.setattr(pipeline, "random_words", noted_words)
    train_batches(directory, tokenizer, num_steps=8, max_words=4, seed=2)
    assert len(seeds["words"]) >= 8 and len(seeds["draws"]) >= 8 * BATCH
    assert len(set(seeds["words"])) == len(seeds["words"])
    assert not set(seeds["words"]) & set(seeds["draws"])


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_records(path):
    """Cuts a shard between two records, which its checksums cannot tell."""
    first = next(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(first)


@pytest.fixture(params=[truncate, flip_a_bit, lose_records])
def damaged(request, directory, tmp_path):
    """A copy of the data with one damaged shard in each split, and what its error says."""
    copy = shutil.copytree(directory, tmp_path / "data")
    for split in ("train", "test"):
        request.param(sorted(copy.glob(f"{split}-*.tfrecord"))[-1])
    received = "1 of them" if request.param is lose_records else "(a damaged file|. of them).*"
    return copy, f"records in .*{{}}.*tfrecord. Received: {received}. Restore it, or prepare"


def test_a_damaged_shard_held_in_memory(damaged, tokenizer):
    copy, message = damaged
    with pytest.raises(InputError, match=message.format("train-00002")):
        train_batches(copy, tokenizer, cache=True)


@pytest.mark.parametrize("read", ["train", "test"])
def test_a_damaged_shard_that_is_read_on_the_way(damaged, tokenizer, read):
    copy, message = damaged
    settings = {"tokenizer": tokenizer, "image_sizes": (20,), "batch_size": 2}
    with pytest.raises(InputError, match=message.format(f"{read}-")) as caught:
        with reading(records.load_dataset_info(copy), split=read):
            if read == "train":
                train_batches(copy, tokenizer, cache=False)
            else:
                list(pipeline.evaluation_dataset(copy, **settings))
    assert "\n" not in str(caught.value)


def test_other_errors_pass_through_reading(directory):
    info = records.load_dataset_info(directory)
    for error in (
        tf.errors.DataLossError(None, None, "of something else"),
        KeyboardInterrupt(),
    ):
        with pytest.raises(type(error)) as caught:
            with reading(info):
                raise error
        assert caught.value is error


def test_a_shard_that_disappears(directory, tokenizer, tmp_path):
    copy = shutil.copytree(directory, tmp_path / "data")
    info = records.load_dataset_info(copy)
    with pytest.raises(InputError, match="train-00001.*Received: 0 of them .* no file"):
        with reading(info):
            dataset = pipeline.evaluation_dataset(
                copy, tokenizer=tokenizer, image_sizes=(20,), batch_size=2, split="train"
            )
            pathlib.Path(info.shard_paths("train")[1]).unlink()
            list(dataset)


def test_some_captions_are_as_many_as_asked_for(directory):
    for count in (1, 5, 100):
        captions = pipeline.some_captions(directory, "train", count)
        assert captions == [LONG_CAPTION] * min(count, NUM_IMAGES)
    with pytest.raises(InputError, match="images in: train, test"):
        pipeline.some_captions(directory, "validation", 3)


def test_some_captions_are_those_of_images_far_apart(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (20, 20)).save(path)
    images = [CaptionedImage(path, f"{i}.png", (f"number {i}", "other"), i) for i in range(30)]
    preparation.prepare({"train": images, "test": []}, tmp_path / "out", name="x", image_size=20)
    stored = [f"number {i}" for i in range(30)]
    captions = pipeline.some_captions(tmp_path / "out", "train", 5)
    positions = [stored.index(caption) for caption in captions]
    assert len(set(positions)) == 5 and max(positions) - min(positions) >= 20
    assert captions == pipeline.some_captions(tmp_path / "out", "train", 5)
