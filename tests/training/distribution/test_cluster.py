import json
import socket
import threading
import time

import pytest
from several_workers import free_ports

from dmgan_tf.errors import InputError, WorkerLost
from dmgan_tf.training.distribution.cluster import Cluster, meet, read_cluster

ADDRESSES = ["10.0.0.1:2222", "10.0.0.2:2222"]


def config(jobs=None, kind="worker", index=0):
    jobs = {"worker": ADDRESSES} if jobs is None else jobs
    return json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}})


def test_reads_the_environment(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(index=1))
    cluster = read_cluster()
    assert cluster == Cluster(tuple(ADDRESSES), 1)
    assert not cluster.is_chief and cluster.others() == [0]
    assert cluster.name(0) == "worker 0 (10.0.0.1:2222)"


def test_a_job_of_the_chief_is_the_first_worker():
    jobs = {"chief": ["a:1"], "worker": ["b:1", "[::1]:2"]}
    assert read_cluster(config(jobs, "chief")).is_chief
    assert read_cluster(config(jobs, "worker", 1)) == Cluster(("a:1", "b:1", "[::1]:2"), 2)


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "Received: nothing"),
        ("{", "Received: '{'"),
        ("[]", "Received: '[]'"),
        ("[" * 100_000, "JSON with cluster and task"),
        ('{"cluster": {"worker": ["a:1"]}}', "JSON with cluster and task"),
        (config(kind=[], index=0), "task [] 0 in a cluster of 2 worker"),
        (config(index="first"), "JSON with cluster and task"),
        (config({"worker": 3}), "JSON with cluster and task"),
        (config({}), "Received: []"),
        (config({"worker": ADDRESSES, "ps": ["c:1"]}), "Received: the jobs ps"),
        (config({"worker": ADDRESSES, "evaluator": ["c:1"]}), "Received: the jobs evaluator"),
        (config({"worker": ["10.0.0.1"]}), "host:port. Received: '10.0.0.1'"),
        (config({"worker": ["a:99999"]}), "host:port. Received: 'a:99999'"),
        (config({"worker": ["a:1", "a:1"]}), "Received: ['a:1', 'a:1']"),
        (config(index=2), "task worker 2 in a cluster of 2 worker"),
        (config(index=-1), "task worker -1"),
        (config(kind="chief"), "task chief 0 in a cluster of 2 worker"),
    ],
)
def test_what_is_wrong_is_told_with_an_example(text, received):
    with pytest.raises(InputError) as error:
        read_cluster(text)
    message = str(error.value)
    assert received in message and len(message.splitlines()) == 1
    assert "for example TF_CONFIG='{" in message and len(message) < 700


def clusters(count):
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    return [Cluster(addresses, index) for index in range(count)]


def meet_all(ones, timeout=20.0, delay=0.0):
    """What comes of each, all meeting at the same time: None or an error."""
    results = [None] * len(ones)

    def run(position):
        time.sleep(delay * position)
        try:
            meet(ones[position], timeout)
        except (InputError, WorkerLost) as error:
            results[position] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(ones))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results


def test_all_meet_whoever_comes_first():
    three = clusters(3)
    assert meet_all(three, delay=0.3) == [None] * 3
    assert meet_all(three[::-1], delay=0.3) == [None] * 3


def test_the_port_is_free_for_tensorflow_afterwards():
    two = clusters(2)
    assert meet_all(two) == [None] * 2
    for cluster in two:
        socket.create_server(("", int(cluster.addresses[cluster.index].split(":")[1]))).close()


def test_a_missing_worker_is_named():
    three = clusters(3)
    chief, other = meet_all(three[:2], timeout=1.0)
    assert isinstance(chief, WorkerLost) and isinstance(other, WorkerLost)
    assert "nothing from worker 2 (127.0.0.1:" in str(chief)
    (alone,) = meet_all(three[1:2], timeout=0.5)
    assert "nothing from worker 0 (127.0.0.1:" in str(alone)


def test_two_that_say_they_are_the_same_worker():
    chief, first, second = clusters(3)
    results = meet_all([chief, first, first, second], timeout=3.0, delay=0.2)
    assert [type(result) for result in results[:3]] == [InputError] * 3
    assert {"two for worker 1. Give" in str(result) for result in results[:3]} == {True}


def test_workers_told_of_different_clusters():
    """All that have come are told at once; to wait would end as a lost worker."""
    chief, first, second = clusters(3)
    stranger = Cluster((*second.addresses[:2], f"localhost:{second.addresses[2][-5:]}"), 2)
    results = meet_all([chief, first, stranger], timeout=5.0, delay=0.2)
    assert [type(result) for result in results] == [InputError] * 3
    assert "in TF_CONFIG of every worker" in str(results[0])
    assert json.dumps(stranger.addresses) in str(results[0])
    assert len(set(map(str, results))) == 1


def test_a_worker_that_was_started_again_takes_its_place():
    chief, *_ = clusters(3)
    _meet_with(chief, [{"index": 1, "leaves": True}, {"index": 1}, {"index": 2}])


def test_strangers_at_the_port_do_no_harm():
    chief, *_ = clusters(2)
    _meet_with(chief, [{"says": b"GET / HTTP/1.1\r\n\r\n"}, {"says": b"[]\n"}, {"index": 1}])


def test_a_port_that_is_taken():
    chief, other = clusters(2)
    for cluster in (chief, other):
        port = int(cluster.addresses[cluster.index].split(":")[1])
        with (
            socket.create_server(("", port)),
            pytest.raises(InputError, match=f"port {port}.* to be free"),
        ):
            meet(cluster, 1.0)


def _meet_with(chief, callers):
    """The chief's meeting with callers who come one after the other."""
    host, port = chief.addresses[0].split(":")
    connections = []

    def call():
        for caller in callers:
            while True:
                try:
                    connection = socket.create_connection((host, int(port)))
                    break
                except OSError:
                    time.sleep(0.05)
            line = {"addresses": list(chief.addresses), "index": caller.get("index")}
            connection.sendall(caller.get("says", json.dumps(line).encode() + b"\n"))
            connections.append(connection)
            time.sleep(0.2)
            if "says" in caller or "leaves" in caller:
                connection.close()
                time.sleep(0.2)

    thread = threading.Thread(target=call)
    thread.start()
    try:
        meet(chief, 20.0)
    finally:
        thread.join()
        for connection in connections:
            connection.close()
