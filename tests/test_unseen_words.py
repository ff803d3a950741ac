"""The benchmark of words that no training caption has: which captions it keeps out and asks for."""

import importlib
import pathlib

import pytest
from tiny_training import PRETRAINING, save_damsm

from dmgan_tf.data.records import load_dataset_info
from dmgan_tf.data.stored import list_captions
from dmgan_tf.text.vocabulary import Vocabulary

ROOT = pathlib.Path(__file__).parent.parent


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("unseen_words")


def test_captions_are_kept_out_and_asked_for(benchmark, prepared_data, tmp_path, capsys):
    benchmark.keep_out(prepared_data, tmp_path / "data", {"is", "crimson"})
    said = capsys.readouterr().out
    assert "2 of 8 words are in no training caption: is, the" in said and "14 of 28" in said
    info, before = load_dataset_info(tmp_path / "data"), load_dataset_info(prepared_data)
    assert info.split("train").num_captions == before.split("train").num_captions / 2
    assert info.split("test").num_captions == before.split("test").num_captions
    words = info.vocabulary().words[1:]

    known = Vocabulary([*words, "is"], len(words))  # as a model with word vectors has it
    save_damsm(tmp_path / "vectors", known)
    benchmark.keep_unseen(tmp_path / "data", tmp_path / "unseen", tmp_path / "vectors")
    captions = list_captions(tmp_path / "unseen", "test").captions
    assert len(captions) == 6 and all(" is " in caption for (caption,) in captions)
    cell = benchmark.retrieval(tmp_path / "vectors", tmp_path / "unseen", PRETRAINING)
    assert cell.endswith("of 6 (chance 16.7%)")
