import numpy as np

from dmgan_tf.figures.bars import Bar, draw_bars


def test_a_bar_is_as_long_as_its_share():
    chart = np.asarray(draw_bars([Bar("hair", 0.25, 0.01), Bar("eyes", 0.75, 0.01)], "Shares"))
    blue = (chart == (76, 120, 168)).all(axis=-1)
    lengths = sorted(set(blue.sum(axis=1)) - {0})
    assert len(lengths) == 2
    assert np.isclose(lengths[1] / lengths[0], 3, atol=0.05)


def test_marks_are_drawn_where_they_belong():
    chart = np.asarray(draw_bars([Bar("hair", 0.5, 0.0, (0.25, 1.0))], ""))
    red, green, blue = (
        np.flatnonzero((chart == color).all(axis=-1).any(axis=0))
        for color in ((200, 60, 50), (40, 130, 60), (76, 120, 168))
    )
    width = blue[-1] - blue[0]
    assert abs(red.mean() - blue[0] - width / 2) < 2
    assert abs(green.mean() - blue[0] - 2 * width) < 2
