import pytest
import tensorflow as tf

from dmgan_tf.training.determinism import same_bits


@pytest.fixture
def options():
    """TensorFlow's options as they were; what no public function switches off again, by another."""
    from tensorflow.python.framework import config

    yield tf.config.optimizer.get_experimental_options
    config.disable_op_determinism()


def executor():
    from tensorflow.python.eager import context

    return context.context().function_call_options.executor_type


def test_a_step_on_one_device_runs_in_order(options):
    before = options()
    with same_bits(tf.distribute.get_strategy()):
        assert options()["disable_meta_optimizer"]
        assert executor() == "SINGLE_THREADED_EXECUTOR"
        assert tf.function(lambda: tf.add_n([tf.ones(3)] * 3))().numpy().tolist() == [3, 3, 3]
    assert options().get("disable_meta_optimizer", False) == before.get(
        "disable_meta_optimizer", False
    )
    assert executor() != "SINGLE_THREADED_EXECUTOR"


def test_replicas_that_wait_for_one_another_keep_their_threads(options, two_replicas):
    def total():
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", 1.0 + tf.cast(context.replica_id_in_sync_group, "float32"))

    with same_bits(two_replicas):
        assert executor() != "SINGLE_THREADED_EXECUTOR"
        sums = tf.function(lambda: two_replicas.run(total))()
    values = two_replicas.experimental_local_results(sums)
    assert [value.numpy() for value in values] == [3.0, 3.0]
