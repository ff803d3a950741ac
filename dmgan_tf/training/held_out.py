"""The images that a run watches its progress on."""

from dmgan_tf.data.records import DatasetInfo


def held_out_split(info: DatasetInfo, min_images: int = 1) -> str | None:
    """The split to watch training by: `validation` where there is one, else `test`.

    What is chosen by a score on the test split has seen it, so it serves only where nothing else
    was held out.

    Args:
        info: The data set.
        min_images: Fewest images that serve.

    Returns:
        The name of the split; None if neither has so many images.
    """
    for name in ("validation", "test"):
        if name in info.splits and info.splits[name].num_images >= min_images:
            return name
    return None
