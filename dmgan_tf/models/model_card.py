"""The README.md of a model directory."""


def default_model_card(vocabulary=None, discriminators=(), **networks):
    """The card of a model whose maker wrote none: what it is, its sizes, and how to use it.

    Args:
        vocabulary: Its `Vocabulary`; None if it has none.
        discriminators: Its `Discriminator`s.
        **networks: Its other networks, by their names in `ModelComponents`; None for what it lacks.

    Returns:
        Markdown.
    """
    networks = {name: network for name, network in networks.items() if network is not None}
    if "generator" in networks:
        sizes = networks["generator"].image_sizes
        title = f"DM-GAN, {sizes[-1]} pixels"
        kind = "A text-to-image model of [DM-GAN](https://arxiv.org/abs/1904.01310)"
        stages = [f"- stages: {', '.join(map(str, sizes))} pixels"]
        usage = _GENERATOR_USAGE if "text_encoder" in networks and vocabulary else ""
    elif "inception" in networks:
        title, kind = "Inception-v3", "Published weights of an image classifier"
        stages = [f"- arithmetic of: {networks['inception'].variant}"]
        usage = _INCEPTION_USAGE
    else:
        title = "Networks of a DM-GAN"
        kind = "Networks of [DM-GAN](https://arxiv.org/abs/1904.01310)"
        stages, usage = [], _ENCODERS_USAGE if len(networks) == 2 and vocabulary else ""
    counted = {name.replace("_", " "): network for name, network in networks.items()}
    for network in discriminators or ():
        counted[f"discriminator of {network.image_size} pixels"] = network
    lines = [f"- {name}: {net.count_params():,} parameters" for name, net in counted.items()]
    if vocabulary is not None:
        lines.append(f"- vocabulary: {len(vocabulary) - 1} words")
    listed = "\n".join([*stages, *lines])
    return f"# {title}\n\n{kind}, in the format of `dmgan_tf`.\n\n{listed}\n{usage}"


_GENERATOR_USAGE = """
```
python -m dmgan_tf.sample --model=DIRECTORY --caption="..." --output=samples
```

```python
from dmgan_tf import DMGANTextToImage

model = DMGANTextToImage.from_preset("DIRECTORY")
images = model.generate(["..."], seed=0)  # uint8 (captions, height, width, 3)
```
"""
_ENCODERS_USAGE = """
```
python -m dmgan_tf.train --damsm=DIRECTORY --data=DATA --run=RUN
```
"""
_INCEPTION_USAGE = """
```
python -m dmgan_tf.pretrain_damsm --image_backbone=inception_v3 --image_weights=DIRECTORY \\
    --data=DATA --run=RUN
```
"""
