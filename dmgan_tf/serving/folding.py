"""Kernels that compute in one step what the trained network computes in several.

All of it is exact algebra on the weights, done once, in float64.
"""

import keras
import numpy as np

# Which taps of a 3x3 kernel apply to which of the two input pixels of an output pixel, in each
# direction, on the doubled image: an even pixel uses the previous one and its own, an odd one its
# own and the next.
_TAPS = (((0,), (1, 2)), ((0, 1), (2,)))
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))  # the parities of an output pixel's row and column


def phase_kernels(kernel: np.ndarray) -> list[np.ndarray]:
    """Returns the 2x2 kernels, one for each of `PHASES`, of nearest doubling and a 3x3 kernel.

    An output pixel depends on two rows and two columns of the small image, some of them through
    several taps, which are added here: 4/9 of the multiplications.

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


def block_kernel(kernel: keras.Variable) -> np.ndarray:
    """Returns the 4x4 kernel that computes each 2x2 block of a 3x3 kernel's outputs at once.

    Processors compute 12 filters nearly as fast as 3.

    Args:
        kernel: `(3, 3, channels, filters)`.

    Returns:
        `(4, 4, channels, 4 * filters)`, for stride 2, by `PHASES`.
    """
    _, _, channels, filters = kernel.shape
    block = np.zeros((4, 4, channels, 4, filters))
    for phase, (row, column) in enumerate(PHASES):
        block[row : row + 3, column : column + 3, :, phase] = np.asarray(kernel)
    return block.reshape(4, 4, channels, 4 * filters)
