"""A subset of the images of a source, as a new source."""

import numpy as np

from dmgan_tf.evaluate.images import ImageSource


class ChosenImages(ImageSource):
    """Images of another source, by their indices and in its order.

    Args:
        source: The `ImageSource`.
        places: Their indices, without repetition.
        plan: What each shows, as a `CaptionPlan`; None if not known.
    """

    def __init__(self, source, places, plan=None):
        self._source = source
        self._places = np.sort(np.asarray(places, np.int64))
        self.num_images = len(self._places)
        self.plan = plan

    def batches(self, start, batch_size):
        places, kept, first = self._places[start:], [], 0
        for pictures in self._source.batches(0, batch_size):
            inside = (places >= first) & (places < first + len(pictures))
            kept += list(pictures[places[inside] - first])
            first += len(pictures)
            while len(kept) >= batch_size:
                yield np.stack(kept[:batch_size])
                kept = kept[batch_size:]
        if kept:
            yield np.stack(kept)

    def description(self):
        return {
            "kind": "chosen",
            "source": self._source.description(),
            "places": self._places.tolist(),
            **({"captions_sha256": self.plan.sha256()} if self.plan else {}),
        }
