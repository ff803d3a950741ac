"""Retrieval accuracy of a DAMSM in training, on held-out images."""

import keras
import numpy as np
import tensorflow as tf

from dmgan_tf.metrics.r_precision import retrieval_accuracy
from dmgan_tf.training.damsm import DAMSM


class RetrievalValidation(keras.callbacks.Callback):
    """Adds the retrieval accuracy on held-out classes to the logs of every epoch.

    Put it before the callbacks that report it.

    Args:
        damsm: The `DAMSM`.
        dataset: An `evaluation_dataset` of the held-out split.
    """

    def __init__(self, damsm: DAMSM, dataset: tf.data.Dataset):
        super().__init__()
        self.damsm = damsm
        self.dataset = dataset
        self._encode = tf.function(self._codes, reduce_retracing=True, autograph=False)

    def evaluate(self) -> tuple[float, float]:
        """Encodes the split and returns `(accuracy, chance)`."""
        columns = [], [], []
        for batch in self.dataset:
            images, token_ids = batch["images"][-1], batch["token_ids"]
            image_codes, sentences = self._encode(images, token_ids)
            for column, value in zip(
                columns, (image_codes, sentences, batch["class_ids"]), strict=True
            ):
                column.append(value.numpy())
        images, sentences, classes = (np.concatenate(column) for column in columns)
        return retrieval_accuracy(images, sentences, classes)

    def on_epoch_end(self, epoch, logs=None):
        accuracy, chance = self.evaluate()
        logs["retrieval_accuracy"] = accuracy
        logs["retrieval_chance"] = chance

    def _codes(self, images, token_ids):
        image_features, text_features = self.damsm({"images": (images,), "token_ids": token_ids})
        codes = image_features["image_code"], text_features["sentence_embedding"]
        return tuple(tf.cast(code, tf.float32) for code in codes)
