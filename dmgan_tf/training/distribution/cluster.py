"""The machines of a multi-worker training: reads TF_CONFIG and waits until all have started."""

import contextlib
import dataclasses
import json
import os
import socket
import time

from dmgan_tf.errors import InputError, WorkerLost

VARIABLE = "TF_CONFIG"
START_TIMEOUT = 600.0  # seconds that workers wait for each other
_EXAMPLE = (
    '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_RETRY_EVERY = 0.2  # seconds
_LONGEST_MESSAGE = 2**20  # bytes
_ANSWER_WITHIN = 10.0  # seconds that a connection may send nothing


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training, one process each.

    Args:
        addresses: `host:port` of each worker; the first one is the chief, which writes the run.
        index: Which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0

    def others(self) -> list[int]:
        """Returns the indices of the other workers."""
        return [index for index in range(len(self.addresses)) if index != self.index]

    def name(self, index: int) -> str:
        """Returns the name of a worker for messages."""
        return f"worker {index} ({self.addresses[index]})"


def read_cluster(text: str | None = None) -> Cluster:
    """Reads the cluster that TF_CONFIG describes.

    TensorFlow reads the same variable, but waits forever, or fails with a traceback, where it is
    wrong.

    Args:
        text: The value of the variable; None to take it from the environment.

    Raises:
        InputError: If the variable is missing, is not JSON of that form, has other jobs than
            `worker` and `chief`, or names a task that is not in the cluster.
    """
    text = os.environ.get(VARIABLE) if text is None else text
    if not text:
        _refuse("one that lists every worker and says which of them this is", "nothing")
    try:
        config = json.loads(text)
        jobs = {job: [str(one) for one in config["cluster"][job]] for job in config["cluster"]}
        kind, index = str(config["task"]["type"]), int(config["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        _refuse("JSON with cluster and task", repr(text[:200]))
    strange = sorted(set(jobs) - {"chief", "worker"})
    if strange:
        _refuse("a cluster of workers that all train alike", f"the jobs {', '.join(strange)}")
    chiefs = jobs.get("chief", [])
    addresses = (*chiefs, *jobs.get("worker", []))
    for address in addresses:
        if not _is_address(address):
            _refuse("addresses of the form host:port", repr(address))
    if len(set(addresses)) < max(len(addresses), 1):
        _refuse("an address of its own for every worker", str(list(addresses)))
    if index not in range(len(jobs.get(kind, []))):
        counts = " and ".join(f"{len(tasks)} {job}" for job, tasks in jobs.items())
        _refuse("a task of the cluster", f"task {kind} {index} in a cluster of {counts}")
    return Cluster(addresses, index + (len(chiefs) if kind == "worker" else 0))


def meet(cluster: Cluster, timeout: float = START_TIMEOUT) -> None:
    """Waits until every worker has started, so that TensorFlow does not wait forever.

    TensorFlow's own waiting has no timeout, ignores signals and does not name the missing worker.
    The chief listens at its port, which TensorFlow uses afterwards; the others send their index,
    and continue when it answers with the addresses of the cluster, which must be theirs.

    Args:
        cluster: The workers.
        timeout: Seconds to wait.

    Raises:
        InputError: If the port of this worker is in use, or the workers' clusters differ.
        WorkerLost: If a worker is missing after that time.
    """
    deadline = time.monotonic() + timeout
    with _listener(cluster) as listener:
        if cluster.is_chief:
            _gather_workers(cluster, listener, deadline)
    if not cluster.is_chief:
        _report_to_chief(cluster, deadline)


def _refuse(expected, received):
    raise InputError(
        f"Expected {VARIABLE}, for --strategy=multi_worker, to be {expected}. Received: {received}."
        f" Set it for every process, each with its own index, for example {VARIABLE}='{_EXAMPLE}'."
    )


def _is_address(address):
    host, _, port = address.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 2**16


def _host_and_port(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _listener(cluster):
    host, port = _host_and_port(cluster.addresses[cluster.index])
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family)
    except OSError as error:
        raise InputError(
            f"Expected port {port}, which {VARIABLE} gives {cluster.name(cluster.index)}, to be "
            f"free. Received: {error.strerror}. End the process that uses it, or give another."
        ) from error


def _gather_workers(cluster, listener, deadline):
    """The chief's part; a restarted worker replaces the one that ended."""
    arrived = {}
    with contextlib.ExitStack() as stack:
        while len(arrived) < len(cluster.addresses) - 1:
            listener.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                raise _missing(cluster, set(cluster.others()) - set(arrived)) from None
            stack.enter_context(connection)
            message = _receive(connection, time.monotonic() + _ANSWER_WITHIN)
            if not isinstance(message, dict) or message.get("index") not in cluster.others():
                continue  # not a worker: anyone can connect to a port
            before = arrived.get(message["index"])
            arrived[message["index"]] = connection
            problem = _problem(cluster, message, is_second=before and not _is_closed(before))
            if problem:
                _answer([*arrived.values(), *([before] if before else [])], problem)
                raise InputError(problem)
        _answer(arrived.values(), "")


def _problem(cluster, message, is_second):
    if message.get("addresses") != list(cluster.addresses):
        return (
            f"Expected the cluster {json.dumps(cluster.addresses)}, the chief's, in {VARIABLE} of "
            f"every worker. Received: {json.dumps(message.get('addresses'))} on worker "
            f"{message['index']}. Give all the same."
        )
    if is_second:
        return (
            f"Expected one process for every worker. Received: two for worker "
            f"{message['index']}. Give each its own task index in {VARIABLE}."
        )
    return ""


def _answer(connections, problem):
    """Lets workers continue if there is no problem, else sends them the message."""
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"problem": problem}).encode() + b"\n")


def _is_closed(connection):
    """Whether the other side, which sends nothing more, has disconnected."""
    connection.settimeout(0.0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _report_to_chief(cluster, deadline):
    """The part of every other worker: it sends its index, and waits for the answer."""
    announcement = {"index": cluster.index, "addresses": cluster.addresses}
    answer = None
    while answer is None:
        if time.monotonic() > deadline:
            raise _missing(cluster, [0])
        with contextlib.suppress(OSError):  # not started yet, or ended again
            with socket.create_connection(
                _host_and_port(cluster.addresses[0]), timeout=_ANSWER_WITHIN
            ) as connection:
                connection.sendall(json.dumps(announcement).encode() + b"\n")
                answer = _receive(connection, deadline)
        if not isinstance(answer, dict) or "problem" not in answer:
            answer = None
            time.sleep(_RETRY_EVERY)
    if answer["problem"]:
        raise InputError(answer["problem"])


def _receive(connection, deadline):
    """The content of one line of JSON; None on a timeout."""
    received = b""
    try:
        while not received.endswith(b"\n") and len(received) < _LONGEST_MESSAGE:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            piece = connection.recv(65536)
            if not piece:
                return None
            received += piece
        return json.loads(received)
    except (OSError, ValueError, RecursionError):
        return None


def _missing(cluster, missing):
    return WorkerLost(
        f"Expected all {len(cluster.addresses)} workers to start within the same minutes. "
        f"Received: nothing from {', '.join(map(cluster.name, sorted(missing)))}. Start every "
        f"worker, each with its own {VARIABLE}."
    )
