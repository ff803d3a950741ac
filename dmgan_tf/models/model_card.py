"""The README.md of a model directory."""


def default_model_card(vocabulary, text_encoder, generator=None):
    """The card of a model whose maker wrote none: what it is, its sizes, and how to use it.

    Args:
        vocabulary: Its `Vocabulary`.
        text_encoder: Its `TextEncoder`.
        generator: Its `Generator`; None for a DAMSM, which has none.

    Returns:
        Markdown.
    """
    if generator is None:
        return f"""# Encoders of a DM-GAN

Networks made with `dmgan_tf`, a part of [DM-GAN](https://arxiv.org/abs/1904.01310).

- vocabulary: {len(vocabulary) - 1} words
- word features: {text_encoder.word_dim} values

```
python -m dmgan_tf.train --damsm=DIRECTORY --data=DATA --run=RUN
```
"""
    return f"""# DM-GAN, {generator.image_sizes[-1]} pixels

A text-to-image model of [DM-GAN](https://arxiv.org/abs/1904.01310), made with `dmgan_tf`.

- stages: {", ".join(str(size) for size in generator.image_sizes)} pixels
- generator: {generator.count_params():,} parameters
- vocabulary: {len(vocabulary) - 1} words

```
python -m dmgan_tf.sample --model=DIRECTORY --caption="..." --output=samples
```

```python
from dmgan_tf import DMGANTextToImage

model = DMGANTextToImage.from_preset("DIRECTORY")
images = model.generate(["..."], seed=0)  # uint8 (captions, height, width, 3)
```
"""
