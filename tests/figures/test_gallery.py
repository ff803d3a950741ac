"""The gallery: pictures in lines, captions under them, and the stages of one more."""

import numpy as np
import pytest
from PIL import Image
from tiny_drawings import enlarged, position_of

from dmgan_tf.figures.contact_sheet import save_picture
from dmgan_tf.figures.gallery import gallery_figure


def pictures(count, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), "uint8")


def places(figure, images):
    return [position_of(figure, enlarged(image, 128)) for image in images]


def test_pictures_stand_in_lines_across_the_page():
    images = pictures(5)
    figure = gallery_figure(images, [f"caption {i}" for i in range(5)], columns=3)
    assert figure.width == 1000
    first, second = places(figure, images[:3]), places(figure, images[3:])
    assert [left for left, _ in first] == [20, 436, 852]
    assert len({top for _, top in first}) == len({top for _, top in second}) == 1
    assert second[0][1] > first[0][1] + 128
    lefts = [left for left, _ in second]
    assert lefts[0] + lefts[1] + 128 == 1000  # in the middle


def test_stages_stand_below_at_one_size():
    images, stages = pictures(2), [pictures(1, size, seed=size)[0] for size in (16, 32, 64)]
    plain = gallery_figure(images, ["one", "two"])
    figure = gallery_figure(images, ["one", "two"], stages=stages, stages_caption="three")
    assert figure.height > plain.height + 128
    lefts, tops = zip(*places(figure, stages), strict=True)
    assert len(set(tops)) == 1 and tops[0] > places(figure, images)[0][1] + 128
    assert lefts == tuple(sorted(lefts)) and lefts[0] + lefts[2] + 128 == 1000


def test_stages_that_do_not_fit_are_halved():
    images = pictures(3, 256)
    stages = [pictures(1, size, seed=size)[0] for size in (16, 32, 64, 128, 256)]
    figure = gallery_figure(images, [""] * 3, stages=stages, stages_caption="many")
    assert figure.width == 1000
    lefts, tops = zip(*places(figure, stages[:4]), strict=True)
    assert len(set(tops)) == 1 and lefts[0] > 0
    last_right = lefts[3] + (lefts[3] - lefts[2]) + 128
    assert lefts[0] + last_right == 1000  # the fifth, too


def test_many_large_pictures_widen_the_page():
    assert gallery_figure(pictures(6, 256), [""] * 6).width == 6 * 276 - 20 + 40


def test_a_long_caption_makes_room_for_itself():
    short, long = (gallery_figure(pictures(2), ["one", text]) for text in ("two", "two " * 40))
    assert long.height > short.height


@pytest.mark.parametrize(("name", "kind"), [("page.jpg", "JPEG"), ("page.png", "PNG")])
def test_a_page_is_saved_by_its_ending(tmp_path, name, kind):
    path = tmp_path / "made" / name
    save_picture(path, Image.new("RGB", (40, 30), "white"), {"caption": "é 中", "seed": "3"})
    with Image.open(path) as image:
        assert image.format == kind and image.size == (40, 30)
        if kind == "JPEG":
            assert image.info["comment"].decode() == "caption: é 中\nseed: 3"
        else:
            assert image.text["caption"] == "é 中"
    assert [path] == list(path.parent.iterdir())
