"""The networks that protocols ask for, found among the weights that a user has."""

from collections.abc import Sequence

from dmgan_tf.convert.efficientnet_weights import load_efficientnet_lite0
from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.errors import InputError
from dmgan_tf.metrics.features import (
    PROTOCOLS,
    FeatureNetwork,
    inception_features,
    lite0_features,
    load_features,
)


def load_networks(
    protocols: Sequence[str], inceptions: Sequence[str] = (), features: str | None = None
) -> list[FeatureNetwork]:
    """Loads the network of every protocol.

    Args:
        protocols: Names among `PROTOCOLS`.
        inceptions: Where weights of Inception-v3 lie, in any form that `load_inception` reads; each
            protocol takes those of its own variant.
        features: A `.keras` or `.py` file with a network of the user's own, `load_features`.

    Returns:
        The networks, in the order of `protocols`, the user's own last.

    Raises:
        InputError: If a protocol is unknown, or none of the weights are its network's.
    """
    for name in protocols:
        if name not in PROTOCOLS:
            raise InputError(
                f"Expected --protocol among {', '.join(PROTOCOLS)}. Received: {name!r}."
            )
    found = [(source, load_inception(source)) for source in inceptions]
    networks = []
    for name in dict.fromkeys(protocols):
        variant = PROTOCOLS[name].variant
        if name == "lite0":
            networks.append(lite0_features(load_efficientnet_lite0()))
            continue
        fitting = [network for _, network in found if network.variant == variant]
        if not fitting:
            given = ", ".join(f"{source} ({network.variant})" for source, network in found)
            raise InputError(
                f"Expected --inception=SOURCE with weights of the {variant} Inception, which "
                f"--protocol={name} is defined by. Received: {given or 'none'}. See the README's "
                "table of them; --protocol=lite0 needs only a package."
            )
        networks.append(inception_features(name, fitting[0]))
    if features is not None:
        networks.append(load_features(features))
    return networks
