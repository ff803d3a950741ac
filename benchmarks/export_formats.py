r"""Measures a model in each format that it can be exported to, for one caption at a time.

Size, CPU time per picture on one thread, difference from TensorFlow in float32, and, for pictures
of a split's captions, R-precision by the model's own DAMSM and the fraction of right attributes,
where there are any.

  python -m dmgan_tf.prepare_data --flagfile=configs/avatars_data.flags --output=data/avatars_64
  python benchmarks/export_formats.py --model=avatars_128 --data=data/avatars_64
  python benchmarks/export_formats.py --paper_size
"""

import statistics
import time

import numpy as np
import tensorflow as tf
from absl import flags

from dmgan_tf import command
from dmgan_tf.data.stored import list_captions
from dmgan_tf.errors import InputError
from dmgan_tf.evaluate.captions import choose_captions
from dmgan_tf.metrics.attributes import share_right
from dmgan_tf.metrics.r_precision import CaptionRetrieval
from dmgan_tf.models.attribute_reader import answers, load_attribute_reader
from dmgan_tf.models.generator import Generator, generator_inputs
from dmgan_tf.models.noise import seeded_noise, to_uint8
from dmgan_tf.models.text_encoder import TextEncoder
from dmgan_tf.models.text_to_image import DMGANTextToImage
from dmgan_tf.serving.litert import PRECISIONS, litert_model
from dmgan_tf.serving.litert_reader import import_runtime, padded_token_ids
from dmgan_tf.serving.onnx import onnx_model
from dmgan_tf.text.vocabulary import Vocabulary

BATCH = 32
FORMATS = ("tensorflow", *PRECISIONS, "onnx")
PAPER_VOCABULARY = 5450  # words of the release's birds

FLAGS = flags.FLAGS


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_bool("paper_size", False, "Time random weights of the paper's size instead.")
    flags.DEFINE_string("data", None, "Data whose captions are drawn; none for no scores.")
    flags.DEFINE_string("split", "test", "The split whose captions are drawn.")
    flags.DEFINE_integer("num_images", 300, "Images to draw for scores.", lower_bound=BATCH)
    flags.DEFINE_integer("calls", 15, "Pictures to time.", lower_bound=2)
    flags.DEFINE_integer("caption_length", 32, "Words of a caption in LiteRT.")
    flags.DEFINE_list("formats", list(FORMATS), "Which to measure, in this order.")


def main():
    """Prints a row for each format."""
    if bool(FLAGS.model) == FLAGS.paper_size:
        raise InputError("Expected --model=MODEL or --paper_size. Received: both or neither.")
    unknown = set(FLAGS.formats) - set(FORMATS)
    if unknown:
        raise InputError(f"Expected --formats of {FORMATS}. Received: {unknown}.")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = paper_size() if FLAGS.paper_size else DMGANTextToImage.from_preset(FLAGS.model)
    scores = Scores(model, FLAGS.data) if FLAGS.data else None
    texts = scores.texts if scores else [" ".join(model.vocabulary.words[1:11])] * 2
    exact = tensorflow_function(model)
    columns = ["format", "MB", "CPU s a picture", "largest difference", "mean difference"]
    columns.append("over 2 levels")
    columns += scores.columns if scores else []
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
    expected = draw(exact, model, texts)
    for name in FLAGS.formats:
        if name == "tensorflow":
            images, function = expected, exact
            cells = ["TensorFlow float32", f"{weights_megabytes(model):.1f}"]
        else:
            megabytes, function = onnx(model) if name == "onnx" else litert(model, name)
            images = draw(function, model, texts)
            cells = ["ONNX float32" if name == "onnx" else f"LiteRT {name}", f"{megabytes:.1f}"]
        cells.append(f"{seconds(function, model, texts):.3f}")
        levels = 127.5 * np.abs(images - expected)
        far = f"{100 * np.mean(levels > 2):.2g} %"
        differences = [f"{levels.max():.2f}", f"{levels.mean():.3f}", far]
        cells += [""] * 3 if function is exact else differences
        cells += scores.of(images) if scores else []
        print(f"| {' | '.join(cells)} |", flush=True)


def paper_size():
    """A model of the paper's size, 64 to 256 px, with initial weights."""
    vocabulary = Vocabulary([f"word{i}" for i in range(1, PAPER_VOCABULARY)])
    text_encoder = TextEncoder(len(vocabulary))
    generator = Generator()
    text_encoder.build()
    generator.build()
    return DMGANTextToImage(vocabulary, text_encoder, generator)


def weights_megabytes(model):
    """Size of all float32 weights that a picture needs."""
    return sum(part.count_params() for part in (model.text_encoder, model.generator)) * 4e-6


def tensorflow_function(model):
    """The last image of a batch of one, by TensorFlow in float32."""

    @tf.function(reduce_retracing=True)
    def networks(token_ids, noise, condition_noise):
        encoded = model.text_encoder(token_ids)
        inputs = generator_inputs(encoded, token_ids, noise, condition_noise)
        return model.generator(inputs)["images"][-1]

    return lambda *inputs: networks(*map(tf.constant, inputs)).numpy()


def litert(model, precision):
    """Megabytes of the LiteRT file, and the same function by it."""
    content = litert_model(model, precision=precision, caption_length=FLAGS.caption_length)
    interpreter = import_runtime().Interpreter(model_content=content, num_threads=1)
    runner = interpreter.get_signature_runner()
    name = f"images_{model.generator.image_sizes[-1]}"

    def function(token_ids, noise, condition_noise):
        outputs = runner(token_ids=token_ids, noise=noise, condition_noise=condition_noise)
        return outputs[name]

    function.interpreter = interpreter  # which must outlive its runner
    return len(content) * 1e-6, function


def onnx(model):
    """Megabytes of the ONNX file, and the same function by it."""
    import onnxruntime

    content = onnx_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def function(token_ids, noise, condition_noise):
        inputs = {"token_ids": token_ids, "noise": noise, "condition_noise": condition_noise}
        return session.run(None, inputs)[0]

    return len(content) * 1e-6, function


def inputs_of(model, text, row):
    """Token ids and noise of one picture."""
    generator = model.generator
    token_ids = padded_token_ids(model.tokenizer, [text], FLAGS.caption_length)
    return token_ids, *seeded_noise(generator.noise_dim, generator.condition_dim, 0, [row])


def draw(function, model, texts):
    """Pictures in [-1, 1], one call each."""
    images = [function(*inputs_of(model, text, row)) for row, text in enumerate(texts)]
    return np.concatenate(images)


def seconds(function, model, texts):
    """Median processor time of a picture."""
    times = []
    for call in range(FLAGS.calls + 1):
        inputs = inputs_of(model, texts[call % len(texts)], call)
        start = time.process_time()
        function(*inputs)
        times.append(time.process_time() - start)
    return statistics.median(times[1:])


class Scores:
    """Scores pictures of a split's captions.

    Args:
        model: The model; its image encoder is used.
        data: What `prepare_data` wrote.
    """

    def __init__(self, model, data):
        self.model = model
        plan = choose_captions(list_captions(data, FLAGS.split), FLAGS.num_images, 0, {})
        self.plan, self.texts = plan, plan.texts(0, FLAGS.num_images)
        self.columns, self.retrieval, self.reader = [], None, None
        if model.image_encoder is not None:
            self.columns.append("R-precision")
            known = [self._known(caption) for caption in plan.captions]
            ids = model.tokenizer.encode_batch([c if k else self.texts[0] for c, k in known])
            encoded = model.text_encoder.predict(ids, batch_size=BATCH, verbose=0)
            codes = encoded["sentence_embedding"]
            self.retrieval = CaptionRetrieval(codes, plan.class_ids)
        if plan.named:
            self.columns.append("attributes")
            self.reader = load_attribute_reader()
            self.wanted = answers(self.reader.heads, [plan.named[row] for row in plan.rows])

    def _known(self, caption):
        vocabulary = self.model.vocabulary
        return caption, any(map(vocabulary.id_of, vocabulary.split(caption)))

    def of(self, images):
        """Cells of a row of the table."""
        pixels, cells = np.float32(to_uint8(images)), []
        if self.retrieval:
            scaled = pixels / 127.5 - 1
            codes = self.model.image_encoder.predict(scaled, batch_size=BATCH, verbose=0)
            hits = self.retrieval.hits(codes["image_code"], self.plan.rows, 0)
            error = np.sqrt(hits.mean() * (1 - hits.mean()) / len(hits))
            cells.append(f"{100 * hits.mean():.1f} % ± {100 * error:.1f}")
        if self.reader:
            logits = self.reader.predict(pixels, batch_size=BATCH, verbose=0)
            said = np.stack([logits[:, part].argmax(-1) for part in self.reader.slices], axis=1)
            style = next(i for i, h in enumerate(self.reader.heads) if h.attribute == "style")
            asked = self.wanted >= 0
            asked[:, style] = False
            right = said == self.wanted
            share = share_right(right & right[:, [style]], asked)
            cells.append(f"{100 * share.value:.1f} % ± {100 * share.standard_error:.1f}")
        return cells


if __name__ == "__main__":
    define_flags()
    command.run(main)
