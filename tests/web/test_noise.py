import numpy as np
from web.page_scripts import needs_node, run_script


@needs_node
def test_a_thousand_seeds_give_the_noise_of_numpy():
    random = np.random.default_rng(0)
    keys = [[0, 0], [0, 7], [2**32 - 1, 2**32 - 1], [2**31, 1], [1, 2**31]]
    keys += random.integers(0, 2**32, (995, 2)).tolist()
    program = "given.map(([seed, row]) => Array.from(page.noiseOf(seed, row, 200)))"
    drawn = run_script("noise.js", program, keys)
    expected = [np.random.RandomState(key).standard_normal(200) for key in keys]
    # The logarithm of another library may differ in its last bit, and so may a rounded float32.
    np.testing.assert_array_max_ulp(np.float32(drawn), np.float32(expected), maxulp=1)


@needs_node
def test_a_long_and_an_odd_number_of_values():
    """More than the generator's state holds, so that it is renewed."""
    drawn = run_script("noise.js", "Array.from(page.noiseOf(given[0], given[1], 2001))", [5, 3])
    expected = np.random.RandomState([5, 3]).standard_normal(2001)
    np.testing.assert_array_max_ulp(np.float32(drawn), np.float32(expected), maxulp=1)
