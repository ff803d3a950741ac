"""Estimates the time of the authors' release by its convolutions in PyTorch.

The release cannot be run together with this package, but its time is a known multiple of that of
its convolutions, in PyTorch's eager mode, default layout and float32. Measuring those in the same
run as our own code gives a ratio that applies to any machine.
"""

import dataclasses
import importlib.util
import time

# The release over its convolutions: medians of interleaved runs at batch 4 on two cores, between
# 1.04 and 1.43 (inference), 1.50 and 1.79 (training; there it also runs the encoders and Adam).
RELEASE_OVER_CONVOLUTIONS = {"inference": 1.3, "train_step": 1.6}
_PASSES = 3  # of a discriminator in a step: real images, generated ones, and for the generator


@dataclasses.dataclass(frozen=True)
class Convolution:
    """One convolution of the network.

    Attributes:
        channels: Of its input.
        filters: Of its output.
        side: Height and width of its input, in pixels; of the doubled one after upsampling.
        kernel_size: Side of the kernel, in pixels.
        stride: In pixels.
        is_upsampled: Whether its input has just been doubled by nearest neighbour.
        has_twin_inputs: Whether its input is a feature concatenated with itself.
    """

    channels: int
    filters: int
    side: int
    kernel_size: int = 3
    stride: int = 1
    is_upsampled: bool = False
    has_twin_inputs: bool = False

    @property
    def multiplications(self):
        """For one image, in the release."""
        outputs = (self.side // self.stride) ** 2 * self.filters
        return outputs * self.channels * self.kernel_size**2

    @property
    def needed_multiplications(self):
        """For one image, on the small image after upsampling and at half width for twins."""
        taps_needed = 4 / 9 if self.is_upsampled else 1
        return self.multiplications * taps_needed / (2 if self.has_twin_inputs else 1)


def generator_convolutions(channels=64, base_size=64, num_stages=3, num_residual_blocks=2):
    """The convolutions of the generator, with the memory's two gates; the paper's by default."""
    found, side = [], 4
    while side < base_size:
        side *= 2
        width = channels * base_size * 2 // side
        found.append(Convolution(width, width, side, is_upsampled=True))
    found.append(Convolution(channels, 3, base_size))
    for stage in range(num_stages - 1):
        side = base_size * 2**stage
        for block in range(num_residual_blocks):
            twins = block == 0
            found.append(Convolution(2 * channels, 4 * channels, side, has_twin_inputs=twins))
            found.append(Convolution(2 * channels, 2 * channels, side))
        twins = num_residual_blocks == 0
        found.append(
            Convolution(
                *(2 * channels, 2 * channels, 2 * side), is_upsampled=True, has_twin_inputs=twins
            )
        )
        found.append(Convolution(channels, 3, 2 * side))
    return found


def discriminator_convolutions(image_size, width=32, sentence_dim=256):
    """The convolutions of the discriminator of one image size, without its logits."""
    found, channels, filters, side = [], 3, width, image_size
    while side > 4:
        found.append(Convolution(channels, filters, side, kernel_size=4, stride=2))
        channels, filters, side = filters, 2 * filters, side // 2
    while channels > 8 * width:
        found.append(Convolution(channels, channels // 2, 4))
        channels //= 2
    return [*found, Convolution(channels + sentence_dim, channels, 4)]


def is_available():
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def release_inference_seconds(batch_size, **sizes):
    """Times the release's generator for a batch; sizes as in `generator_convolutions`."""
    seconds = _run(generator_convolutions(**sizes), batch_size, backward=False)
    return seconds * RELEASE_OVER_CONVOLUTIONS["inference"]


def release_train_step_seconds(batch_size, discriminator_width=32, sentence_dim=256, **sizes):
    """Times the release's training step for a batch, forward and backward."""
    seconds = _run(generator_convolutions(**sizes), batch_size, backward=True)
    base_size, num_stages = sizes.get("base_size", 64), sizes.get("num_stages", 3)
    for stage in range(num_stages):
        convolutions = discriminator_convolutions(
            base_size * 2**stage, discriminator_width, sentence_dim
        )
        seconds += _PASSES * _run(convolutions, batch_size, backward=True)
    return seconds * RELEASE_OVER_CONVOLUTIONS["train_step"]


def _run(convolutions, batch_size, backward):
    import torch  # an extra of the benchmarks alone

    seconds = 0.0
    for c in convolutions:
        inputs = torch.randn(batch_size, c.channels, c.side, c.side, requires_grad=backward)
        kernel = torch.randn(
            c.filters, c.channels, c.kernel_size, c.kernel_size, requires_grad=backward
        )
        start = time.perf_counter()
        with torch.set_grad_enabled(backward):
            outputs = torch.nn.functional.conv2d(inputs, kernel, stride=c.stride, padding=1)
        if backward:
            outputs.backward(outputs.detach())
        seconds += time.perf_counter() - start
    return seconds
