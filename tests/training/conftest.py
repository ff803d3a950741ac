"""Two logical CPUs, on which `MirroredStrategy` can be tested without any GPU."""

import pytest
import tensorflow as tf

try:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()],
    )
except RuntimeError:  # a test module computed something while it was being collected
    pass


@pytest.fixture(scope="session")
def two_replicas():
    """A `MirroredStrategy` of two replicas."""
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(devices) >= 2, "TensorFlow started before the logical devices were asked for"
    return tf.distribute.MirroredStrategy(devices[:2])
