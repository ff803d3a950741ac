"""A Keras model whose custom training step runs under every distribution strategy."""

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from dmgan_tf.layers.tensorflow_kernels import num_replicas, sum_over_replicas
from dmgan_tf.training.distribution.replicas import worker_of


class ReplicatedModel(keras.Model):
    """A model with a custom `train_step`, for `fit` on one device, several, or several machines.

    Keras' `fit` fails with several workers: it treats a first batch as one tensor, and concatenates
    the replicas' logs along an axis that scalars do not have. Here a step is one `tf.function`,
    and the logs are averaged over all replicas by one exchange, so they are the same on every
    worker, and callbacks decide alike.

    A subclass builds its layers and optimizers in the constructor and `compile`, inside the
    strategy's scope; `train_step` returns a dict of scalars.
    """

    # With several workers, a float32 variable of this process: 1 asks all of them to stop. The logs
    # of every step then contain "stop_requested", the number of workers that ask.
    stop_requested = None
    # For a `train_step` that differs between phases of training: the step is traced in each.
    phase = ""
    # Training data that a checkpoint stores beside the variables, as JSON by name.
    described: Mapping[str, str] = {}

    def make_train_function(self, force: bool = False) -> Callable:
        """Makes the function of an iterator that `fit` calls for every step."""
        if self.train_function is not None and not force:
            return self.train_function
        strategy = self.distribute_strategy
        several_workers = worker_of(strategy)[1] > 1
        if several_workers and self.stop_requested is None:
            self.stop_requested = tf.Variable(0.0, trainable=False, name="stop_requested")
        names = []  # of the logs, in packing order; set when a step is traced

        def replica_step(batch, request):
            logs = self.train_step(batch)
            if num_replicas() == 1:
                return logs
            names[:] = logs
            values = [tf.cast(value, tf.float32) / num_replicas() for value in logs.values()]
            return sum_over_replicas(tf.stack([*values, request]))

        def one_step(iterator, request, phase):
            outputs = strategy.run(replica_step, args=(next(iterator), request))
            outputs = tf.nest.map_structure(
                lambda value: strategy.experimental_local_results(value)[0], outputs
            )
            if strategy.num_replicas_in_sync == 1:
                return outputs
            *means, requests = tf.unstack(outputs)
            logs = dict(zip(names, means, strict=True))
            return {**logs, "stop_requested": requests} if several_workers else logs

        if not self.run_eagerly:
            one_step = tf.function(one_step, autograph=False, reduce_retracing=True)
        replicas_per_worker = strategy.num_replicas_in_sync // worker_of(strategy)[1]

        def step(iterator):
            request = self.stop_requested if several_workers else tf.constant(0.0)
            return one_step(iterator, request / replicas_per_worker, self.phase)

        self.train_function = step
        return step

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Does nothing: all is built already, and Keras would consume a batch."""
