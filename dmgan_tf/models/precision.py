"""The precisions that commands offer, by the names of their flags."""

# The Keras dtype policy of each; under the mixed ones, weights stay float32.
PRECISIONS = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
