import pytest
import tensorflow as tf

from dmgan_tf.training.session.determinism import in_order, same_bits


@pytest.fixture(autouse=True)
def _as_before():
    """Switches off again what no public function does."""
    from tensorflow.python.framework import config

    yield
    config.disable_op_determinism()


def executor():
    from tensorflow.python.eager import context

    return context.context().function_call_options.executor_type


def test_sums_keep_their_order_in_the_context_only():
    options = tf.config.optimizer.get_experimental_options
    before = options().get("disable_meta_optimizer", False)
    with same_bits():
        assert options()["disable_meta_optimizer"] and not before
    assert not options().get("disable_meta_optimizer", False)


def test_a_step_runs_in_order_and_nothing_else():
    seen = []

    def step(iterator):
        seen.append(executor())
        return tf.function(lambda: tf.add_n([next(iterator)] * 3))()

    batches = iter(tf.data.Dataset.range(5).map(lambda x: 2 * x, num_parallel_calls=2))
    assert [in_order(step)(batches).numpy() for _ in range(3)] == [0, 6, 12]
    assert set(seen) == {"SINGLE_THREADED_EXECUTOR"} and executor() not in seen
