"""The files beside an export: configurations for the server, and a README on its use."""

from collections.abc import Sequence

from dmgan_tf.text.tokenizer import MOST_CHARACTERS, MOST_WORDS

BATCHING = "batching_parameters.txt"
_BATCH_TIMEOUT = 5_000  # microseconds to wait for further requests; drawing takes far longer


def models_config(name: str) -> str:
    """Returns a `ModelServerConfig` in text format: the newest version of one model.

    Args:
        name: The model's name, and that of its directory below `/models` in the container.
    """
    return f"""\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""


def batching_parameters(batch_sizes: Sequence[int]) -> str:
    """Returns `BatchingParameters` in text format.

    Args:
        batch_sizes: The sizes that batches are padded to, ascending; the last is the largest.
    """
    allowed = "".join(f"allowed_batch_sizes: {size}\n" for size in batch_sizes)
    return f"""\
# Requests that arrive together are drawn together. One batch already uses every core; the second
# thread processes text and PNG of one batch while the network draws another.
max_batch_size {{ value: {batch_sizes[-1]} }}
batch_timeout_micros {{ value: {_BATCH_TIMEOUT} }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 2 }}
{allowed}"""


def readme(name: str, record: dict, caption: str) -> str:
    """Returns the README of an export, Markdown.

    Args:
        name: The model's name on the server.
        record: What `export_model` records.
        caption: A caption of known words, for the examples.
    """
    *smaller, size = record["image_sizes"]
    return _README.format(
        name=name,
        caption=caption,
        size=size,
        stages="".join(f"`images_{side}`, " for side in record["image_sizes"]),
        attention="".join(f"`attention_scores_{side}`, " for side in smaller),
        most_words=MOST_WORDS,
        most_characters=MOST_CHARACTERS,
        noise_dim=record["noise_dim"],
        condition_dim=record["condition_dim"],
        precision=record["precision"],
        fast="rewritten for speed" if record["fast"] else "as trained",
        tensorflow=record["versions"]["tensorflow"],
    )


_README = """\
# {name}: {size}-pixel pictures from captions

A [DM-GAN](https://arxiv.org/abs/1904.01310) for TensorFlow Serving, written by `dmgan_tf.export`
with TensorFlow {tensorflow}; a server of that version or a newer one reads it. The networks are
{fast}, in {precision}. `VERSION/assets.extra/dmgan_export.json` has the settings and the hashes
of the weights.

## Run

In this directory:

```
docker run --rm -p 8500:8500 -p 8501:8501 \\
    --mount type=bind,source="$PWD",target=/models/{name},readonly \\
    tensorflow/serving \\
    --model_config_file=/models/{name}/models.config \\
    --enable_batching --batching_parameters_file=/models/{name}/batching_parameters.txt
```

or, where the server is installed,

```
tensorflow_model_server --port=8500 --rest_api_port=8501 \\
    --model_name={name} --model_base_path="$PWD" \\
    --enable_batching --batching_parameters_file=batching_parameters.txt
```

gRPC listens on port 8500, REST on port 8501. The server draws a few pictures before it answers
(`assets.extra/tf_serving_warmup_requests`), and loads a new version as soon as it is written.

## Ask

A picture as nested lists of red, green and blue values:

```
curl -d '{{"instances": ["{caption}"]}}' \\
    http://localhost:8501/v1/models/{name}:predict
```

A picture as a PNG file:

```
curl -s -d '{{"signature_name": "generate_png", "instances": ["{caption}"]}}' \\
    http://localhost:8501/v1/models/{name}:predict |
  python3 -c 'import base64, json, sys
answer = json.load(sys.stdin)
sys.exit(answer["error"]) if "error" in answer else None
open("picture.png", "wb").write(base64.b64decode(answer["predictions"][0]["b64"]))'
```

Another picture of the same caption:

```
curl -d '{{"signature_name": "generate_png_with_seed",
          "instances": [{{"captions": "{caption}", "seed": 7}}]}}' \\
    http://localhost:8501/v1/models/{name}:predict
```

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `captions`, string (batch) | `images`, uint8 (batch, {size}, {size}, 3) |
| `generate_png` | `captions` | `image_bytes`, string (batch): PNG files |
| `generate_with_seed` | `captions`; `seed`, int64 (batch) | `images` |
| `generate_png_with_seed` | `captions`; `seed` | `image_bytes` |
| `generate_with_noise` | `captions`; `noise`, float32 (batch, {noise_dim}); `condition_noise`, \
float32 (batch, {condition_dim}) | {stages}float32 in [-1, 1]; {attention}\
float32 (batch, side, side, words); `token_ids`, int32, and `words`, string (batch, words) |
| `tokenize` | `captions` | `token_ids` and `words`: the known words of each caption |

## What to expect

- Unknown words are dropped. A caption without a known word is an error (INVALID_ARGUMENT, REST
  status 400) that names its row. With batching, requests of several clients are one batch, and an
  error in one of them fails all: if captions come from others, call `tokenize` first, which
  accepts every caption.
- Of one caption the first {most_words} known words within the first {most_characters} characters
  are read; the rest is ignored, without an error. `tokenize` returns the words that are read.
- An accented letter may be one character or two, a letter and its mark: it is the same word.
- The same caption gives the same picture in every request, to within one level of 255 in float32,
  and a few in bfloat16. Without a seed, the seed is a hash of the caption's known words.
- Seeds are those of TensorFlow's stateless random numbers. `dmgan_tf.sample` and
  `DMGANTextToImage.generate` use NumPy's, so their seed 7 is another picture. To get one of
  theirs, send its noise to `generate_with_noise`:

```python
from dmgan_tf import DMGANTextToImage
from dmgan_tf.models.text_to_image import noise_rows

model = DMGANTextToImage.from_preset("MODEL")
noise, condition_noise = noise_rows(model.generator, seed=7, rows=[0])
```

- Requests with more captions than `max_batch_size` in `batching_parameters.txt` are rejected: split
  them, or increase it. Without `--enable_batching` there is no limit. An export does not change an
  existing file, so --batch_sizes of a later version only affects its warm-up.
"""
