import pytest
import tensorflow as tf

from dmgan_tf.errors import WorkerLost
from dmgan_tf.training.distribution import workers

LOST = (
    "{{function_node __wrapped__CollectiveReduceV2}} Collective ops is aborted by: Error reported "
    "from /job:worker/task:1: The following tasks are unhealthy (stopped sending heartbeats):\n"
    "/job:worker/replica:0/task:1\nThe tasks have crashed."
)


class Strategy:
    """What a message needs of a strategy of two workers."""

    class cluster_resolver:  # noqa: N801
        @staticmethod
        def cluster_spec():
            return tf.train.ClusterSpec({"worker": ["a:1", "b:1"]})


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setattr(workers, "worker_of", lambda strategy: (0, 2))
    return Strategy()


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.UnavailableError(None, None, LOST),
        tf.errors.InternalError(None, None, LOST),
        tf.errors.AbortedError(None, None, "Cleanup /job:worker/replica:0/task:1"),
    ],
)
def test_a_lost_worker_is_told_of_in_one_line(two_workers, error):
    with (
        pytest.raises(WorkerLost, match="no more from worker 1") as lost,
        workers.worker_loss(two_workers),
    ):
        raise error
    message = str(lost.value)
    assert "--resume" in message and "\n" not in message
    assert ("heartbeats" in message) == ("heartbeats" in str(error))


def test_other_errors_stay_what_they_are(two_workers):
    for strategy in (two_workers, tf.distribute.get_strategy()):
        for error in (tf.errors.InvalidArgumentError(None, None, "shapes"), KeyError("x")):
            with pytest.raises(type(error)), workers.worker_loss(strategy):
                raise error


def test_one_process_loses_no_worker():
    with (
        pytest.raises(tf.errors.UnavailableError),
        workers.worker_loss(tf.distribute.get_strategy()),
    ):
        raise tf.errors.UnavailableError(None, None, LOST)


def test_one_process_waits_for_nobody(two_replicas):
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        workers.wait_for_workers(strategy)
        workers.check_agreement(strategy, {"configuration": "a"})
        with workers.chief_first(strategy):
            pass


def test_digest_is_of_the_values():
    def digest(*values):
        return workers.digest_of_variables([tf.Variable(value) for value in values])

    assert digest([1.0, 2.0], 3) == digest([1.0, 2.0], 3)
    assert digest([1.0, 2.0], 3) != digest([1.0, 2.0], 4)
