"""CLAIRES, its baseline and floors: the head, both sides, frozen encoders, saving and loading."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import nn

from pixcl_bench.methods.claires.learner import (
    CLAIRES,
    ProjectionHead,
    TextOptions,
    claires,
    in_batch_top1,
)
from pixcl_bench.methods.claires.objectives import clip_loss, soft_loss
from pixcl_bench.methods.claires.saving import (
    ModelFolderError,
    fingerprint,
    load_retriever,
    save_retriever,
)
from pixcl_bench.methods.claires.text import build_tokenizer, split_words
from pixcl_bench.methods.claires.tfidf import TfIdfEncoder, tfidf
from pixcl_bench.methods.contract.retrieval import (
    Recipe,
    TrainingPairs,
    check_embeddings,
    retrieval_requirements,
)
from pixcl_bench.methods.floors.retrieval import keyword, small_grey
from pixcl_bench.nets.encoders import build_encoder
from pixcl_bench.ops.views import Normalise

CAPTIONS = ["severe bone loss", "no bone loss, filling", "mild bone loss", "no filling"]
WORDS = build_tokenizer(CAPTIONS)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.2)
ARGS = {"out": 16, "text_width": 16, "text_layers": 1, "text_heads": 2}


def given() -> dict[str, Any]:
    torch.manual_seed(0)
    encoder = build_encoder("conv_nano")
    return {"encoder": encoder, "tokenizer": WORDS, "normalise": Normalise(MEAN, STD)}


def small(**args: Any) -> CLAIRES:
    text = TextOptions(text_width=16, text_layers=1, text_heads=2)
    return claires(**given(), out=16, text=text, **args)


def batch() -> dict[str, torch.Tensor]:
    images = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    tokens, mask = WORDS(CAPTIONS)
    return {"image": images, "tokens": tokens, "mask": mask, "group": torch.tensor([0, 1, 2, 1])}


def test_worked_numbers_of_the_projection_head() -> None:
    head = ProjectionHead(3, 2).eval()
    with torch.no_grad():
        head.first.weight.copy_(torch.tensor([[0.5, 0, 0.5], [0, 0.5, -0.5]]))
        head.first.bias.copy_(torch.tensor([0.1, -0.1]))
        head.second.weight.copy_(torch.tensor([[1, 0.5], [-0.5, 1]]))
        head.second.bias.copy_(torch.tensor([0, 0.2]))
        x = torch.tensor([[1.0, 2, -1]])
        p = head.first(x)
        summed = p + head.second(torch.nn.functional.gelu(p))
        assert p[0].tolist() == pytest.approx([0.1, 1.4], abs=1e-6)
        assert summed[0].tolist() == pytest.approx([0.797453, 2.859949], abs=1e-6)
        assert head(x)[0].tolist() == pytest.approx([-0.999995, 0.999995], abs=2e-6)


def test_the_head_drops_out_in_training_alone() -> None:
    head, x = ProjectionHead(8, 4, dropout=0.5), torch.randn(5, 8)
    assert not torch.equal(head(x), head(x))
    head.eval()
    assert torch.equal(head(x), head(x))


@pytest.mark.parametrize(
    "make",
    [
        small,
        lambda: small(objective="group"),
        lambda: small(objective="soft"),
        lambda: small(train_encoders=False),
        lambda: small(learn_temperature=False),
        lambda: tfidf(**given()),
    ],
)
def test_contracts(make: Callable[[], CLAIRES]) -> None:
    learner = make()
    learner.prepare(TrainingPairs(tuple(CAPTIONS), lambda: iter([])))
    for words, check in retrieval_requirements(learner, batch(), batch()["image"], CAPTIONS):
        check()
        assert words


def test_the_loss_is_that_of_the_embeddings() -> None:
    learner = small(dropout=0.0)
    learner.text_encoder.eval()
    learner.encoder.eval()
    images, texts = learner.embed_images(batch()["image"]), learner.embed_texts(CAPTIONS)
    learner.train = lambda mode=True: learner  # type: ignore[assignment, method-assign]
    found = learner.losses(batch(), 0.0)["loss"]
    assert float(found.detach()) == pytest.approx(
        float(clip_loss(images, texts, 1 / 0.07).detach()), abs=1e-4
    )
    learner.objective = "soft"
    raw = [
        learner.image_head(learner.encoder(learner.normalise(batch()["image"]))),
        learner.text_head(learner.text_encoder(batch()["tokens"], batch()["mask"])),
    ]
    soft = learner.losses(batch(), 0.0)["loss"]
    assert float(soft.detach()) == pytest.approx(float(soft_loss(*raw).detach()), abs=1e-4)


def test_frozen_encoders_do_not_change() -> None:
    learner = small(train_encoders=False).train()
    before = {
        name: value.clone()
        for name, value in learner.state_dict().items()
        if name.startswith(("encoder.", "text_encoder."))
    }
    heads = learner.image_head.first.weight.clone()  # type: ignore[union-attr, operator]
    optimizer = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], lr=0.5)
    learner.losses(batch(), 0.0)["loss"].backward()
    optimizer.step()
    after = learner.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert not torch.equal(heads, learner.image_head.first.weight)  # type: ignore[union-attr, arg-type]


def test_the_temperature_is_kept_in_its_range() -> None:
    learner = small()
    learner.temperature.log_scale.data.fill_(7.0)
    learner.after_step(0.5)
    assert float(learner.temperature().detach()) == pytest.approx(100, rel=1e-4)


def test_equal_captions_count_in_the_top_of_a_batch() -> None:
    rows = torch.eye(4)
    assert float(in_batch_top1(rows, rows.roll(1, 0), torch.tensor([0, 0, 1, 1]))) == 0.5


def test_tfidf_is_that_of_scikit_learn() -> None:
    learner = tfidf(**given())
    learner.prepare(TrainingPairs(tuple(CAPTIONS), lambda: iter([])))
    counter = TfidfVectorizer(analyzer=split_words, vocabulary=list(WORDS.words)).fit(CAPTIONS)
    texts = [*CAPTIONS, "bone bone filling"]
    expected = torch.tensor(counter.transform(texts).toarray(), dtype=torch.float32)
    assert torch.allclose(learner.embed_texts(texts), expected, atol=1e-4)
    assert isinstance(learner.text_encoder, TfIdfEncoder)
    assert not list(learner.text_encoder.parameters())


def test_keywords_of_the_nearest_images() -> None:
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    learner = keyword(tokenizer=WORDS, neighbours=1)
    learner.prepare(TrainingPairs(tuple(CAPTIONS), lambda: iter(pictures.split(3))))
    scores = learner.embed_texts(["severe", "mild loss"]) @ learner.embed_images(0.7 * pictures).T
    assert scores.argmax(1).tolist() == [0, 2]
    check_embeddings(learner, pictures, CAPTIONS)
    assert torch.allclose(small_grey(pictures), small_grey(0.5 * pictures + 0.2), atol=1e-5)
    with pytest.raises(ValueError, match="at least 1"):
        keyword(tokenizer=WORDS, neighbours=0)


def saved() -> CLAIRES:
    learner = small().eval()
    target = "pixcl_bench.methods.claires.learner:claires"
    learner.recipe = Recipe(target, ARGS, "conv_nano", 16, MEAN, STD, 3)
    return learner


def test_a_loaded_model_is_bit_equal(tmp_path: Path) -> None:
    learner = saved()
    save_retriever(learner, tmp_path / "model")
    state = torch.get_rng_state()
    again = load_retriever(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), state)
    images = batch()["image"]
    with torch.no_grad():
        assert torch.equal(again.embed_images(images), learner.embed_images(images))
        assert torch.equal(again.embed_texts(CAPTIONS), learner.embed_texts(CAPTIONS))
    assert again.recipe == learner.recipe
    assert fingerprint(again) == fingerprint(learner)
    assert not again.training
    assert not list((tmp_path / "model").glob("*.part"))


def test_a_fingerprint_covers_weights_and_words() -> None:
    learner, other = saved(), saved()
    assert fingerprint(learner) == fingerprint(other)
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 1e-3
    assert fingerprint(learner) != fingerprint(other)
    third = saved()
    third.tokenizer = build_tokenizer([*CAPTIONS, "more"])
    assert fingerprint(learner) != fingerprint(third)


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="no such file"):
        load_retriever(tmp_path)
    save_retriever(saved(), tmp_path)
    weights = {k: v + 1 if v.is_floating_point() else v for k, v in saved().state_dict().items()}
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelFolderError, match="not those"):
        load_retriever(tmp_path)
    facts = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**facts, "unknown": 1}))
    with pytest.raises(ModelFolderError, match="no configuration"):
        load_retriever(tmp_path)
    nameless = small()
    with pytest.raises(ModelFolderError, match="no recipe"):
        save_retriever(nameless, tmp_path)
    assert isinstance(nameless.encoder, nn.Module)
