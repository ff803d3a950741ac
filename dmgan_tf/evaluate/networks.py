"""The networks that metrics and protocols need, with the weights that a user has."""

from collections.abc import Sequence

import keras
from keras import ops

from dmgan_tf.convert.efficientnet_weights import load_efficientnet_lite0
from dmgan_tf.convert.inception_weights import load_inception
from dmgan_tf.convert.mobilenet_weights import load_mobilenet_v2
from dmgan_tf.convert.squeezenet_weights import load_squeezenet
from dmgan_tf.errors import InputError, did_you_mean
from dmgan_tf.evaluate.features import FeatureNetwork, weights_sha256
from dmgan_tf.evaluate.own_features import load_features
from dmgan_tf.evaluate.protocols import PROTOCOLS, Protocol
from dmgan_tf.evaluate.score import METRICS

DEFINED_METRICS = ("fid", "is", "kid")  # by a protocol; other metrics use the features of any
_WHERE_TO_GET = {
    "fid_2015": "pt_inception-2015-12-05-6726825d.pth of pytorch-fid",
    "keras_applications": "the directory of StackGAN's checkpoint, birds_valid299",
}
_LOADERS_OF_PACKAGES = {
    "lite0": load_efficientnet_lite0,
    "squeezenet": load_squeezenet,
    "mobilenet_v2": load_mobilenet_v2,
}


def protocol_features(protocol: Protocol, network: keras.Model) -> FeatureNetwork:
    """Makes the network of features and logits that a protocol defines.

    Args:
        protocol: One of `PROTOCOLS`.
        network: Built, of the protocol's variant, with its published weights.

    Returns:
        A `FeatureNetwork`.

    Raises:
        InputError: If its classifier is not that of the protocol.
    """
    if protocol.num_classes is not None and protocol.num_classes != network.num_classes:
        raise InputError(
            f"Expected a classifier of {protocol.num_classes} classes for protocol "
            f"{protocol.name}. Received: {network.num_classes or 'none'}. Convert the right one: "
            "python -m dmgan_tf.convert --inception=SOURCE --output=DIR, with "
            f"{_WHERE_TO_GET[protocol.variant]} for SOURCE."
        )

    def function(images):
        outputs = network(protocol.preprocess(images), training=False)
        result = {"features": ops.cast(outputs["pooled"], "float32")}
        if protocol.class_logits is not None:
            logits = ops.cast(outputs["logits"], "float32")
            result["logits"] = protocol.class_logits(logits, network.fc)
        return result

    return FeatureNetwork(
        name=protocol.name,
        function=function,
        sha256=weights_sha256(network),
        dim=protocol.dim,
        metrics=protocol.metrics,
        description=protocol.description,
    )


def choose_networks(
    metrics: Sequence[str],
    protocols: Sequence[str] | None = None,
    inceptions: Sequence[str] = (),
    features: str | None = None,
) -> list[FeatureNetwork]:
    """Loads the networks that metrics need.

    Args:
        metrics: The requested metrics.
        protocols: Names among `PROTOCOLS`; None for `ttur`, or for none where `features` is given.
        inceptions: Paths of Inception-v3 weights, in any form that `load_inception` reads; each
            protocol uses those of its variant.
        features: A `.keras` or `.py` file with a custom network, see `load_features`.

    Returns:
        The networks, in the order of `protocols`, the custom one last; empty where no metric needs
        one.

    Raises:
        InputError: If a protocol is unknown, if none defines a requested metric, or if weights are
            missing.
    """
    wanted = {metric for metric in metrics if metric in DEFINED_METRICS}
    on_any = {metric for metric in metrics if METRICS[metric].on_features} - wanted
    if not wanted | on_any:
        return []
    if not protocols:
        protocols = [] if features else ["ttur"]
    _check_protocols(protocols, wanted, features)
    used = [
        name for name in dict.fromkeys(protocols) if on_any or wanted & set(PROTOCOLS[name].metrics)
    ]
    found = [(source, load_inception(source)) for source in inceptions]
    networks = [_network_of(PROTOCOLS[name], found) for name in used]
    if features is not None:
        networks.append(load_features(features))
    missing = wanted.difference(*(network.metrics for network in networks))
    if missing:
        raise InputError(
            f"Expected logits from {features} for {min(missing)}. Received: features only. Leave "
            f"{min(missing)} out of --metrics, or name a protocol that defines it."
        )
    return networks


def _check_protocols(protocols, wanted, features):
    for name in protocols:
        if name not in PROTOCOLS:
            raise InputError(
                f"Expected --protocol among {', '.join(PROTOCOLS)}. Received: {name!r}."
                + did_you_mean(name, PROTOCOLS)
            )
    missing = wanted.difference(*(PROTOCOLS[name].metrics for name in protocols))
    if missing and not features:
        metric = min(missing)
        fitting = [name for name, protocol in PROTOCOLS.items() if metric in protocol.metrics]
        raise InputError(
            f"Expected a protocol that defines {metric}: {', '.join(fitting)}. Received: "
            f"--protocol={','.join(protocols)}. Add one of them, or leave {metric} out of "
            "--metrics."
        )


def _network_of(protocol, found):
    """The network of a protocol, with the first weights of its variant."""
    if protocol.name in _LOADERS_OF_PACKAGES:
        return protocol_features(protocol, _LOADERS_OF_PACKAGES[protocol.name]())
    for _, network in found:
        if network.variant == protocol.variant:
            return protocol_features(protocol, network)
    given = ", ".join(f"{source} ({network.variant})" for source, network in found)
    raise InputError(
        f"Expected --inception=SOURCE with weights of the {protocol.variant} Inception, which "
        f"--protocol={protocol.name} is defined by. Received: {given or 'none'}. See the table "
        "in docs/numbers.md; lite0, squeezenet and mobilenet_v2 need only a package."
    )
