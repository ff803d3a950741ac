r"""Load test of a server: requests per second, latency, memory, overload.

The server is NVIDIA's Triton, which is available as a package, without a backend for TensorFlow:
its Python backend calls `generate_png` of an exported SavedModel. Its own clients call it by gRPC
and HTTP on this machine, each client one caption after another. The program that passes requests to
Python was compiled for NumPy 1 and reads strings wrongly with NumPy 2, so only that program gets a
separate environment:

  pip install --no-deps nvidia-pytriton tritonclient geventhttpclient gevent zope.event \
      zope.interface greenlet brotli python-rapidjson pyzmq sh typing_inspect mypy_extensions \
      wrapt aiohttp multidict yarl aiosignal frozenlist propcache aiohappyeyeballs
  python -m venv build/numpy1 && build/numpy1/bin/pip install "numpy<2" pyzmq
  python benchmarks/serve_load.py --model=avatars_128 --stub_environment=build/numpy1
"""

import collections
import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time

import numpy as np
from absl import flags, logging

from dmgan_tf import command
from dmgan_tf.errors import InputError

NAME = "dmgan"
WARM_UP = 2  # seconds of requests before the measurement
SERVER = """
import signal
import sys
import tensorflow as tf
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, QueuePolicy, Tensor
from pytriton.triton import Triton, TritonConfig

signal.signal(signal.SIGTERM, signal.default_int_handler)  # upon which it tidies up
path, workspace, sys.exec_prefix = sys.argv[1:4]  # the last is where Triton looks for Python
http_port, grpc_port, batch_size, queue = map(int, sys.argv[4:])
model = tf.saved_model.load(path)
generate_png = model.signatures["generate_png"]

@batch
def draw(captions):
    pictures = generate_png(captions=tf.constant(captions[:, 0]))["image_bytes"].numpy()
    return {"image_bytes": pictures[:, None]}

batcher = DynamicBatcher(
    max_queue_delay_microseconds=5000, default_queue_policy=QueuePolicy(max_queue_size=queue)
)
here = "127.0.0.1"
config = TritonConfig(
    http_address=here, http_port=http_port, grpc_address=here, grpc_port=grpc_port,
    allow_metrics=False, log_verbose=0,
)
with Triton(config=config, workspace=workspace) as triton:
    triton.bind(
        model_name="dmgan",
        infer_func=draw,
        inputs=[Tensor(name="captions", dtype=bytes, shape=(1,))],
        outputs=[Tensor(name="image_bytes", dtype=bytes, shape=(1,))],
        config=ModelConfig(max_batch_size=batch_size, batcher=batcher),
    )
    triton.serve()
"""


def define_flags():
    """Declares the flags of this benchmark."""
    flags.DEFINE_string("model", None, "Shipped model name, model directory or run directory.")
    flags.DEFINE_string("stub_environment", None, "Virtual environment with NumPy 1 and pyzmq.")
    flags.DEFINE_list("callers", ["1", "8", "64"], "Numbers of concurrent clients.")
    flags.DEFINE_list("protocols", ["grpc", "http"], "Protocols of the clients.")
    flags.DEFINE_list("batch_sizes", ["8", "1"], "Largest batch of the server; 1 batches nothing.")
    flags.DEFINE_float("seconds", 20, "How long each row is measured.", lower_bound=1)
    flags.DEFINE_integer("queue", 32, "Queue size; further requests are rejected.")


def main():
    """Prints a row for each batching, protocol and number of clients."""
    options = flags.FLAGS
    if not options.model:
        raise InputError("Expected --model=MODEL, a model or run directory. Received: none.")
    if not pathlib.Path(options.stub_environment or "none", "bin/python3").exists():
        raise InputError(
            "Expected --stub_environment=FOLDER, a virtual environment with NumPy 1. Received: "
            f"{options.stub_environment}. The beginning of this file says how to make it."
        )
    check_packages()
    logging.set_verbosity(logging.WARNING)
    from dmgan_tf.serving.export import export_model

    with tempfile.TemporaryDirectory() as folder:
        export = export_model(options.model, pathlib.Path(folder, NAME), batch_sizes=[1, 8])
        captions = known_captions(options.model)
        columns = ("largest batch", "protocol", "clients", "pictures/s", "p50 ms", "p95 ms")
        columns += ("p99 ms", "rejected", "server MB")
        print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)
        answers = collections.Counter()
        for size in map(int, options.batch_sizes):
            with serving(export, folder, size, options.queue) as (process, ports):
                for protocol in options.protocols:
                    load(protocol, ports[protocol], captions, 2 * size, WARM_UP)
                    for callers in map(int, options.callers):
                        row = load(protocol, ports[protocol], captions, callers, options.seconds)
                        print_row(size, protocol, callers, row, memory_of(process))
                        answers.update(row[1])
        for answer, count in answers.items():
            print(f"{count} x {answer}")


def check_packages():
    """Raises an error that says how to install what is missing."""
    try:
        import pytriton.triton  # noqa: F401
        import tritonclient.grpc
        import tritonclient.http  # noqa: F401
    except (ImportError, RuntimeError) as error:  # the latter of clients without HTTP
        raise InputError(
            f"Expected NVIDIA's Triton and its clients. Received: {error}. The beginning of this "
            "file says how to install them."
        ) from error


def known_captions(model):
    """Captions of the model's words, of several lengths."""
    from dmgan_tf.models.presets import find_model_directory
    from dmgan_tf.text.vocabulary import Vocabulary

    words = Vocabulary.load(find_model_directory(model) / "vocabulary.txt").words[1:]
    return [" ".join(words[first : first + 4 + first % 9]) for first in range(min(64, len(words)))]


@contextlib.contextmanager
def serving(export, folder, batch_size, queue):
    """A server on free ports of this machine: its process, and the port of each protocol."""
    ports = dict(zip(("http", "grpc"), free_ports(2), strict=True))
    workspace = pathlib.Path(folder, "workspace")
    environment = pathlib.Path(flags.FLAGS.stub_environment).absolute()
    arguments = [export, workspace, environment, *ports.values(), batch_size, queue]
    # The backend's own process must find the library of this Python, not of the system's.
    variables = {**os.environ, "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR")}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, *map(str, arguments)],
            env=variables,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_until_ready(process, ports["grpc"], log)
            yield process, ports
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            with contextlib.suppress(ProcessLookupError):  # the server's program, if it still runs
                os.killpg(process.pid, signal.SIGKILL)


def free_ports(count):
    """Free ports of this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_until_ready(process, port, log, limit=300):
    """Waits for the model."""
    import tritonclient.grpc as client

    end = time.time() + limit
    server = client.InferenceServerClient(f"127.0.0.1:{port}")
    while time.time() < end and process.poll() is None:
        with contextlib.suppress(client.InferenceServerException):
            if server.is_model_ready(NAME):
                return
        time.sleep(0.5)
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-20:]
    raise InputError("The server did not start: " + " / ".join(lines))


def load(protocol, port, captions, callers, seconds):
    """Seconds of each response, the errors, and the total time."""
    results, start = [], time.time()
    threads = [
        threading.Thread(
            target=lambda first=first: results.append(
                ask(protocol, port, captions, first, start + seconds)
            )
        )
        for first in range(callers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = np.concatenate([times for times, _ in results])
    errors = sum((errors for _, errors in results), collections.Counter())
    return times, errors, time.time() - start


def ask(protocol, port, captions, first, end):
    """Requests one caption after another until a given time, with its own client."""
    import tritonclient.grpc
    import tritonclient.http
    from tritonclient.utils import InferenceServerException

    module = {"grpc": tritonclient.grpc, "http": tritonclient.http}[protocol]
    client = module.InferenceServerClient(f"127.0.0.1:{port}")
    given = module.InferInput("captions", [1, 1], "BYTES")
    times, errors, place = [], collections.Counter(), first
    while time.time() < end:
        caption = captions[place % len(captions)].encode()
        given.set_data_from_numpy(np.array([[caption]], object))
        start = time.perf_counter()
        try:
            answer = client.infer(NAME, [given]).as_numpy("image_bytes")[0, 0]
        except InferenceServerException as error:
            errors[f"{protocol}: {error}"] += 1
            time.sleep(0.2)  # like a client that retries
            continue
        times.append(time.perf_counter() - start)
        if not answer.startswith(b"\x89PNG"):
            raise InputError(f"Expected a PNG file from the server. Received: {answer[:20]!r}.")
        place += 1
    client.close()
    return np.array(times), errors


def memory_of(process):
    """Current memory in megabytes of a process and its children."""
    total, found = 0, [process.pid]
    while found:
        pid = found.pop()
        with contextlib.suppress(OSError):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            if "VmRSS:" in status:  # a process that has ended has no memory
                total += int(status.split("VmRSS:")[1].split()[0])
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
            found += map(int, children.split())
    return total / 1024


def print_row(size, protocol, callers, row, megabytes):
    """Prints a row of the table."""
    times, errors, seconds = row
    percentiles = 1000 * np.percentile(times, [50, 95, 99]) if len(times) else [np.nan] * 3
    refused = sum(errors.values())
    cells = [size, protocol, callers, f"{len(times) / seconds:.1f}"]
    cells += [f"{value:.0f}" for value in percentiles]
    cells += [f"{refused} of {refused + len(times)}", f"{megabytes:.0f}"]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    define_flags()
    command.run(main)
