"""Mistakes put into the package by hand, one at a time: does the fast suite catch each of them?

    python tests/mutations.py                      all of them, in a copy of this tree
    python tests/mutations.py --tree=DIR           in a copy of another, such as an older one
    python tests/mutations.py --room=layers --number=3

It prints a table and ends with status 1 where a mistake goes uncaught. pytest does not collect it.
"""

import argparse
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOT_COPIED = (".git", ".venv", "runs", "__pycache__", ".hypothesis", ".ruff_cache")


class Mutation(typing.NamedTuple):
    """A mistake, and the tests that are to fail for it.

    Args:
        path: The file below `dmgan_tf/`.
        old: A piece of its text that occurs once.
        new: What stands there instead.
        tests: Files below `tests/`, those first that fail soonest.
        before: The path, old and new of the same mistake in the tree before the division into
            rooms, where its text is another.
    """

    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    before: tuple[str, str, str] | None = None


def _of(path, old, new, *tests, before=None):
    return Mutation(path, old, new, tests, before)


MEMORY = ("layers/test_memory.py", "layers/test_goldens.py")
SPECTRAL = ("layers/test_spectral.py", "layers/test_gradients.py")
DMGAN = ("training/test_dmgan.py",)
MUTATIONS = {
    "layers": [
        _of(  # padding takes part
            "layers/attention.py",
            "ops.where(mask, logits, -1e9)",
            "ops.where(mask, logits, 0.0)",
            *MEMORY,
        ),
        _of(  # a gradient that the release stops
            "layers/memory.py",
            "ops.stop_gradient(image_features)",
            "ops.convert_to_tensor(image_features)",
            *MEMORY,
            "layers/test_gradients.py",
        ),
        _of(  # the gate's sides
            "layers/memory.py",
            "reading * share + image_features * (1 - share)",
            "image_features * share + reading * (1 - share)",
            *MEMORY,
        ),
        _of(  # sum for mean
            "layers/memory.py",
            "ops.mean(pixels, axis=(1, 2))",
            "ops.sum(pixels, axis=(1, 2))",
            *MEMORY,
        ),
        _of(  # a generator step changes a discriminator
            "layers/spectral.py",
            "        if training:\n            self.singular_vector.assign",
            "        if True:\n            self.singular_vector.assign",
            *SPECTRAL,
        ),
        _of(  # no gradient through the singular value
            "layers/spectral.py",
            "ops.vdot(left, ops.matmul(matrix, right))",
            "ops.vdot(left, ops.matmul(constant, right))",
            *SPECTRAL,
        ),
        _of(  # PyTorch's momentum
            "layers/normalization.py",
            "momentum: float = 0.9,",
            "momentum: float = 0.1,",
            "layers/test_normalization.py",
            before=(
                "layers/normalization.py",
                "        momentum=0.9,\n        epsilon=1e-5,\n        gamma",
                "        momentum=0.1,\n        epsilon=1e-5,\n        gamma",
            ),
        ),
        _of(  # a variance for its root
            "layers/conditioning.py",
            "ops.exp(0.5 * log_variance)",
            "ops.exp(log_variance)",
            "layers/test_goldens.py",
            "layers/test_blocks.py",
        ),
        _of(  # a shift of half a pixel
            "layers/blocks.py",
            "before[axis], after[axis] = (1, 0), (0, 1)",
            "before[axis], after[axis] = (0, 1), (0, 1)",
            "layers/test_blocks.py",
        ),
        _of(  # another grid
            "layers/resize.py",
            "position = index * ((source - 1) / max(target - 1, 1))",
            "position = index * (source / target)",
            "layers/test_resize.py",
        ),
    ],
    "losses": [
        _of(  # a wrong sign
            "losses/objective.py",
            "ops.softplus(-logits)",
            "ops.softplus(logits)",
            "losses/test_objective.py",
            before=(
                "losses/adversarial.py",
                "ops.softplus(-ops.cast(logits",
                "ops.softplus(ops.cast(logits",
            ),
        ),
        _of(  # a half for a third
            "losses/objective.py",
            "generated_weight = 1 / 3",
            "generated_weight = 1 / 2",
            "losses/test_objective.py",
            before=(
                "losses/adversarial.py",
                "(generated_loss + mismatched_loss) / 3.0",
                "(generated_loss + mismatched_loss) / 2.0",
            ),
        ),
        _of(  # the sum of Eq. 13
            "losses/divergence.py",
            "0.5 * ops.mean(terms",
            "0.5 * ops.sum(terms",
            "losses/test_divergence.py",
        ),
        _of(  # a wrong sign
            "losses/divergence.py",
            "- 1.0 - log_variance",
            "- 1.0 + log_variance",
            "losses/test_divergence.py",
        ),
        _of(  # padding takes part in Eq. 8
            "losses/matching.py",
            "ops.softmax(ops.where(mask, scores, MASKED), axis=-1)",
            "ops.softmax(scores, axis=-1)",
            "losses/test_matching.py",
        ),
        _of(  # and in Eq. 10
            "losses/matching.py",
            "ops.logsumexp(ops.where(mask, similarity, MASKED), axis=-1)",
            "ops.logsumexp(similarity, axis=-1)",
            "losses/test_matching.py",
        ),
        _of(  # images for captions
            "losses/matching.py",
            "ops.transpose(by_word_of_text)",
            "by_word_of_text",
            "losses/test_matching.py",
            before=(
                "losses/matching.py",
                '"word_text_to_image": ops.transpose(by_word)',
                '"word_text_to_image": by_word',
            ),
        ),
        _of(  # others of a class take part
            "losses/matching.py",
            "ops.where(is_left_out, MASKED, scores)",
            "ops.where(is_left_out, 0.0, scores)",
            "losses/test_matching.py",
        ),
        _of(  # a forgotten factor
            "losses/matching.py",
            "_cross_entropy(gamma3 * score",
            "_cross_entropy(score",
            "losses/test_matching.py",
        ),
    ],
    "training": [
        _of(  # the average forgets at once
            "training/ema.py",
            "decay * average + (1 - decay) * variable",
            "(1 - decay) * average + decay * variable",
            "training/test_ema.py",
        ),
        _of(  # the average of the wrong network
            "training/dmgan.py",
            "ExponentialMovingAverage(generator, average_generator",
            "ExponentialMovingAverage(average_generator, generator",
            *DMGAN,
        ),
        _of(  # a generator step moves the power iteration
            "training/dmgan.py",
            "discriminator(images, sentences, training=False)",
            "discriminator(images, sentences, training=True)",
            *DMGAN,
            before=(
                "training/dmgan.py",
                "discriminator(seen, sentences, training=False)",
                "discriminator(seen, sentences, training=True)",
            ),
        ),
        _of(  # the same noise for every seed
            "training/dmgan.py",
            "return tf.stack([tf.constant(self.seed, tf.int64)",
            "return tf.stack([tf.constant(0, tf.int64)",
            *DMGAN,
            before=(
                "training/dmgan.py",
                "            seed=tf.stack([tf.constant(self.seed, tf.int64)",
                "            seed=tf.stack([tf.constant(0, tf.int64)",
            ),
        ),
        _of(  # lambda 2 forgotten
            "training/dmgan.py",
            "self.damsm_weight * L_DAMSM",
            "L_DAMSM",
            *DMGAN,
            before=(
                "training/dmgan.py",
                "self.damsm_weight * self._batch_mean(per_example)",
                "self._batch_mean(per_example)",
            ),
        ),
        _of(  # lambda 1 forgotten
            "training/dmgan.py",
            "self.kl_weight * L_CA",
            "L_CA",
            *DMGAN,
            before=(
                "training/dmgan.py",
                "tf.constant(self.kl_weight, tf.float32)",
                "tf.constant(1.0, tf.float32)",
            ),
        ),
        _of(  # the sentence before for the one after
            "training/dmgan.py",
            "tf.roll(everyones, shift=-1, axis=0)",
            "tf.roll(everyones, shift=1, axis=0)",
            *DMGAN,
        ),
        _of(  # each replica's own mean
            "training/guarded_step.py",
            "output_gradients=self._scale / num_replicas()",
            "output_gradients=self._scale",
            "training/test_guarded_step.py",
            "training/distribution/test_replicas.py",
            "training/test_mirrored.py",
            before=(
                "training/distribution/replicas.py",
                "tf.reduce_sum(per_example) / tf.cast(global_batch_size, per_example.dtype)",
                "tf.reduce_mean(per_example)",
            ),
        ),
        _of(  # Adam without its bias correction
            "training/guarded_step.py",
            "iterations.assign_add(tf.cast(is_good, iterations.dtype))",
            "iterations.assign_add(2 * tf.cast(is_good, iterations.dtype))",
            "training/test_guarded_step.py",
            "training/test_optimizer.py",
            before=(
                "training/optimizer.py",
                "learning_rate * tf.sqrt(1 - beta_2_power) / (1 - beta_1_power)",
                "learning_rate",
            ),
        ),
        _of(  # Adam's usual decay
            "training/optimizer.py",
            "beta_1=0.5, beta_2=0.999",
            "beta_1=0.9, beta_2=0.999",
            "training/test_dmgan_run.py",
            "training/test_training_state.py",
            before=(
                "training/dmgan_run.py",
                "beta_1=0.5, beta_2=0.999",
                "beta_1=0.9, beta_2=0.999",
            ),
        ),
        _of(  # a gradient below the limit grows
            "training/guarded_step.py",
            "self.limits[name] / tf.maximum(norms[name], self.limits[name])",
            "self.limits[name] / norms[name]",
            "training/test_damsm.py",
            before=(
                "training/damsm.py",
                'limit / tf.maximum(norms["text_gradient_norm"], limit)',
                'limit / norms["text_gradient_norm"]',
            ),
        ),
        _of(  # a rate that falls within the epoch
            "training/optimizer.py",
            'keras.ops.floor(keras.ops.cast(step, "float32") / self.steps_per_epoch)',
            'keras.ops.cast(step, "float32") / self.steps_per_epoch',
            "training/test_optimizer.py",
            "training/test_damsm.py",
            before=(
                "training/damsm.py",
                'keras.ops.floor(keras.ops.cast(step, "float32") / self.steps_per_epoch)',
                'keras.ops.cast(step, "float32") / self.steps_per_epoch',
            ),
        ),
        _of(  # what is not finite stays in batch norm
            "training/guarded_step.py",
            "variable.assign(tf.where(is_good, variable, value))",
            "variable.assign(variable)",
            "training/test_guarded_step.py",
        ),
        _of(  # a state that is not saved
            "training/dmgan_run.py",
            '        **named_variables("steps", [dmgan.steps_done]),\n',
            "",
            "training/test_training_state.py",
            "training/test_resume.py",
        ),
        _of(  # a whole epoch less after a resumption within one
            "training/session/session.py",
            "epoch_end = -(-step // steps_per_epoch) * steps_per_epoch",
            "epoch_end = step // steps_per_epoch * steps_per_epoch",
            "training/session/test_session.py",
            "training/test_resume.py",
        ),
    ],
    "data": [
        _of(  # upside down
            "data/pipeline.py",
            "tf.reverse(image, [1])",
            "tf.reverse(image, [0])",
            "data/test_pipeline.py",
        ),
        _of(  # from 0 to 1
            "data/pipeline.py",
            "image * (1 / 127.5) - 1",
            "image * (1 / 255)",
            "data/test_pipeline.py",
        ),
        _of(  # one caption an image
            "data/pipeline.py",
            "tf.cast(draws[0] * tf.cast(num_captions, tf.float32), tf.int32)",
            "tf.cast(0 * draws[0] * tf.cast(num_captions, tf.float32), tf.int32)",
            "data/test_pipeline.py",
        ),
        _of(  # the same draws for every seed
            "data/pipeline.py",
            "seed=tf.stack([seed, position])",
            "seed=tf.stack([0 * seed, position])",
            "data/test_pipeline.py",
        ),
        _of(  # corners between pixels
            "data/augmentation.py",
            "corner = tf.floor(where * (sides - square))",
            "corner = where * (sides - square)",
            "data/test_augmentation.py",
            "data/test_pipeline.py",
        ),
        _of(  # another kernel
            "data/augmentation.py",
            "antialias=True",
            "antialias=False",
            "data/test_augmentation.py",
        ),
        _of(  # words in another order
            "data/augmentation.py",
            "kept = tf.sort(kept, axis=1)",
            "kept = tf.reverse(kept, [1])",
            "data/test_augmentation.py",
            "data/test_pipeline.py",
        ),
        _of(  # off by one at a resumption
            "data/epochs.py",
            "divmod(start_step, steps)",
            "divmod(start_step + 1, steps)",
            "data/test_pipeline.py",
        ),
        _of(  # every epoch in one order
            "data/epochs.py",
            "tf.stack([seed, -1 - epoch])",
            "tf.stack([seed, 0 * epoch - 1])",
            "data/test_pipeline.py",
        ),
        _of(  # chosen by the test split
            "data/splits.py",
            'for name in ("validation", "test"):',
            'for name in ("test", "validation"):',
            "data/test_splits.py",
        ),
        _of(  # a word less in the vocabulary
            "text/vocabulary.py",
            "if count >= min_count]",
            "if count > min_count]",
            "text/test_vocabulary.py",
        ),
    ],
    "metrics": [
        _of(  # the biased covariance
            "metrics/frechet.py",
            "scatter /= self.count - 1",
            "scatter /= self.count",
            "metrics/test_frechet.py",
        ),
        _of(  # half of the root's trace
            "metrics/frechet.py",
            "traces - 2 * overlap",
            "traces - overlap",
            "metrics/test_frechet.py",
        ),
        _of(  # blocks merged with a wrong weight
            "metrics/frechet.py",
            "np.sqrt(count * len(rows) / total) * shift",
            "(count * len(rows) / total) * shift",
            "metrics/test_frechet.py",
        ),
        _of(  # divided by images, not by features
            "metrics/kernel.py",
            "first @ second.T / first.shape[1] + 1",
            "first @ second.T / first.shape[0] + 1",
            "metrics/test_kernel.py",
        ),
        _of(  # pairs with themselves
            "metrics/kernel.py",
            "(kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1))",
            "kernel.sum() / len(features) ** 2",
            "metrics/test_kernel.py",
        ),
        _of(  # a wrong sign
            "metrics/inception_score.py",
            "self._negative_entropies / self._sizes - (marginals",
            "self._negative_entropies / self._sizes + (marginals",
            "metrics/test_inception_score.py",
        ),
        _of(  # splits that are not of the order asked for
            "metrics/inception_score.py",
            "self._splits[order] = self._splits.copy()",
            "self._splits = self._splits[order]",
            "metrics/test_inception_score.py",
        ),
        _of(  # a candidate too few
            "metrics/r_precision.py",
            "wanted = self.num_candidates - 1",
            "wanted = self.num_candidates - 2",
            "metrics/test_r_precision.py",
        ),
        _of(  # captions of the image's own class
            "metrics/r_precision.py",
            "chosen + np.where(beyond_gap, size[:, None], 0)",
            "chosen + np.where(beyond_gap, 0, 0)",
            "metrics/test_r_precision.py",
        ),
        _of(  # a tie won
            "metrics/r_precision.py",
            "1.0 / np.maximum(tied, 1)",
            "1.0",
            "metrics/test_r_precision.py",
        ),
    ],
}
MOVED = {  # to where the tree before the division into rooms has a file
    "dmgan_tf/training/dmgan_run.py": "dmgan_tf/training/gan_training.py",
    "dmgan_tf/training/guarded_step.py": "dmgan_tf/training/step_guard.py",
    "dmgan_tf/training/distribution/replicas.py": "dmgan_tf/training/distribution.py",
    "dmgan_tf/training/session/session.py": "dmgan_tf/training/session.py",
    "dmgan_tf/data/splits.py": "dmgan_tf/training/held_out.py",
    "tests/losses/test_objective.py": "tests/losses/test_adversarial.py",
    "tests/data/test_splits.py": "tests/training/test_held_out.py",
    "tests/training/test_dmgan_run.py": "tests/training/test_gan_training.py",
    "tests/training/test_guarded_step.py": "tests/training/test_step_guard.py",
    "tests/training/distribution/test_replicas.py": "tests/training/test_distribution.py",
    "tests/training/session/test_session.py": "tests/training/test_session.py",
}


def find(tree: pathlib.Path, name: str) -> pathlib.Path | None:
    """A file of the tree, where it is or where it was; None if it is neither."""
    places = (tree / name, tree / MOVED.get(name, name))
    return next((place for place in places if place.is_file()), None)


def try_out(tree: pathlib.Path, mutation: Mutation) -> tuple[str, str]:
    """Makes the mistake, runs the tests, and takes it back: `(what came of it, which test)`."""
    path = find(tree, f"dmgan_tf/{mutation.path}")
    if (not path or mutation.old not in path.read_text(encoding="utf-8")) and mutation.before:
        name, old, new = mutation.before
        path, mutation = find(tree, f"dmgan_tf/{name}"), mutation._replace(old=old, new=new)
    text = path.read_text(encoding="utf-8") if path else ""
    if text.count(mutation.old) != 1:
        return f"found {text.count(mutation.old)} times", ""
    tests = [find(tree, f"tests/{test}") for test in mutation.tests]
    tests = [str(test.relative_to(tree)) for test in dict.fromkeys(tests) if test]
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        status, by = run_tests(tree, *tests)
    finally:
        path.write_text(text, encoding="utf-8")
    if status == 1 and not passes(tree, by):
        return "fails anyway", by
    return {0: "NOT CAUGHT", 1: "caught"}.get(status, f"status {status}"), by


def run_tests(tree: pathlib.Path, *tests: str) -> tuple[int, str]:
    """Runs fast tests of the tree until one fails: `(exit status, which test)`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode, failed[0].split(" ", 1)[1].split(" - ")[0] if failed else ""


@functools.cache
def passes(tree: pathlib.Path, test: str) -> bool:
    """Whether a test passes in the tree as it is."""
    return run_tests(tree, test)[0] == 0


def main(arguments: argparse.Namespace) -> int:
    """Tries out the mistakes that were asked for, and gives the exit status."""
    uncaught = 0
    with tempfile.TemporaryDirectory() as temporary:
        tree = pathlib.Path(temporary, "tree")
        shutil.copytree(arguments.tree, tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
        for room in arguments.room or MUTATIONS:
            for number, mutation in enumerate(MUTATIONS[room], 1):
                if arguments.number not in (None, number):
                    continue
                start = time.monotonic()
                result, by = try_out(tree, mutation)
                uncaught += result != "caught"
                seconds = time.monotonic() - start
                new = " ".join(mutation.new.split()) or "nothing"
                print(
                    f"| {room} {number} | {mutation.path} | `{new}` | {result} | {by} "
                    f"| {seconds:.0f} s |",
                    flush=True,
                )
    print(f"{uncaught} were not caught")
    return min(uncaught, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT, help="of what to try a copy")
    parser.add_argument("--room", action="append", choices=MUTATIONS, help="repeatable")
    parser.add_argument("--number", type=int, help="of a mistake in its room, from 1")
    sys.exit(main(parser.parse_args()))
