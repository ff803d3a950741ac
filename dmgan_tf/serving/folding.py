"""Kernels that compute in one step what the trained network computes in several.

All of it is exact algebra on the weights, done once, in float64.
"""

import numpy as np

# Which taps of a 3x3 kernel meet which of the two pixels that an output pixel sees, in each
# direction, once the image has been doubled: an even pixel sees the one before it and its own, an
# odd one its own and the next.
_TAPS = (((0,), (1, 2)), ((0, 1), (2,)))
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # the parities of an output pixel's row and column


def fold_normalization(kernel, normalization, gated=False):
    """A kernel and a bias that do what a kernel and batch normalisation do in inference.

    Args:
        kernel: `(..., filters)`.
        normalization: The `BatchNorm` that follows.
        gated: Whether a GLU follows. Both results are then halved: `a * sigmoid(b)` is
            `a / 2 * (1 + tanh(b / 2))`, and tanh is several times as quick.

    Returns:
        A tuple of the kernel and the bias `(filters,)`, float64.
    """
    weights = (normalization.gamma, normalization.moving_variance)
    gamma, variance = (to_float64(weight) for weight in weights)
    scale = gamma / np.sqrt(variance + normalization.epsilon)
    bias = to_float64(normalization.beta) - to_float64(normalization.moving_mean) * scale
    factor = 0.5 if gated else 1.0
    return factor * scale * to_float64(kernel), factor * bias


def merge_twin_inputs(kernel):
    """The kernel `(..., channels, filters)` for x of one that is for x concatenated with x."""
    first, second = np.split(kernel, 2, axis=-2)
    return first + second


def phase_kernels(kernel):
    """The 2x2 kernels, one for each of `PHASES`, of nearest doubling and a 3x3 kernel.

    An output pixel sees two rows and two columns of the small image, some of them through several
    taps, which are added up here: 4/9 of the multiplications.

    Args:
        kernel: `(3, 3, channels, filters)`, for the doubled image.

    Returns:
        A list of four `(2, 2, channels, filters)`.
    """
    return [
        np.stack(
            [
                np.stack([kernel[np.ix_(rows, columns)].sum((0, 1)) for columns in _TAPS[column]])
                for rows in _TAPS[row]
            ]
        )
        for row, column in PHASES
    ]


def product_kernels(kernel):
    """The nine matrices of nearest doubling and a 3x3 kernel by the fewest multiplications.

    Along one direction, taps (p, q, r) give `p x[i-1] + (q + r) x[i]` and `(p + q) x[i] + r x[i+1]`
    for the two pixels made of x[i]. With s = p + q + r and d[i] = x[i-1] - x[i] these are
    `s x[i] + p d[i]` and `s x[i] - r d[i+1]`: three products instead of four, and in two directions
    nine instead of sixteen (or 36, in the doubled image).

    Args:
        kernel: `(3, 3, channels, filters)`, for the doubled image.

    Returns:
        A tuple of four matrices of `(channels, n * filters)`: of the image, n = 1; of its
        differences along a row, n = 2; of those along a column, n = 2; and of those along both,
        n = 4, by `PHASES`.
    """
    rows, columns = kernel.sum(0), kernel.sum(1)
    corners = [kernel[0, 0], -kernel[0, 2], -kernel[2, 0], kernel[2, 2]]
    return (
        kernel.sum((0, 1)),
        np.concatenate([rows[0], -rows[2]], axis=-1),
        np.concatenate([columns[0], -columns[2]], axis=-1),
        np.concatenate(corners, axis=-1),
    )


def block_kernel(kernel):
    """The 4x4 kernel that computes each 2x2 block of a 3x3 kernel's outputs at once.

    Processors compute 16 filters as quickly as 3.

    Args:
        kernel: `(3, 3, channels, filters)`.

    Returns:
        `(4, 4, channels, 4 * filters)`, for stride 2, by `PHASES`.
    """
    _, _, channels, filters = kernel.shape
    block = np.zeros((4, 4, channels, 4, filters))
    for phase, (row, column) in enumerate(PHASES):
        block[row : row + 3, column : column + 3, :, phase] = kernel
    return block.reshape(4, 4, channels, 4 * filters)


def to_float64(variable):
    """The value of a Keras variable, or an array, in float64."""
    value = variable.numpy() if hasattr(variable, "numpy") else variable
    return np.asarray(value, "float64")
