"""What the prompt learner computes of a batch, and how often it asks CLIP."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detpro.prompts import PromptLearner
from detpro.prompts.context import ContextPrompts, word_embeds
from detpro.prompts.losses import soft
from tests.places import CLIP, ROOT
from vovtrack.models.clip.encoder import ClipEncoder

VOCABULARY = str(ROOT / "configs/mini/vocabulary.json")
TEMPERATURE = 0.05


@pytest.fixture
def model() -> PromptLearner:
    torch.manual_seed(0)
    clip = dict(type="ClipEncoder", **CLIP)
    return PromptLearner(clip, VOCABULARY, temperature=TEMPERATURE)


@pytest.fixture
def feats() -> torch.Tensor:
    """Features of other lengths than one: the learner normalises them."""
    return 3 * torch.randn(6, 64, generator=torch.Generator().manual_seed(1))


def cosines(model: PromptLearner, feats: torch.Tensor) -> torch.Tensor:
    return F.normalize(feats, dim=1) @ model(feats).T


def test_a_context_of_words_reads_as_their_sentence(model):
    names = ["cat", "traffic light"]
    prompts = ContextPrompts(model.clip, names, num_context=4)
    found = prompts.encode(word_embeds(model.clip, "a photo of a"))
    sentences = ClipEncoder(**CLIP | dict(templates=["a photo of a {}."]))
    expected = F.normalize(sentences.encode(names), dim=1)
    torch.testing.assert_close(F.normalize(found, dim=1), expected, atol=1e-5, rtol=0)


def test_temperature_divides_the_cosines_of_training(model, feats):
    base = torch.from_numpy(~model.vocabulary.novel)
    labels = torch.tensor([0, 5, 47, 48, 48, 2])
    model.class_weights = torch.rand(49, generator=torch.Generator().manual_seed(2)) + 0.5
    found = model(feats, labels, "loss")["loss_prompt"]
    expected = soft(cosines(model, feats)[:, base] / TEMPERATURE, labels, model.class_weights)
    torch.testing.assert_close(found, expected)


def test_and_those_of_validation(model, feats):
    (found,) = model(feats, torch.zeros(6), "predict")
    expected = torch.softmax(cosines(model, feats) / TEMPERATURE, dim=1)
    torch.testing.assert_close(found["probabilities"], expected)
    assert not found["probabilities"].requires_grad


def test_validation_encodes_the_classes_once_per_context(model, feats):
    calls: list[int] = []
    model.clip.load()[0].transformer.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        model(feats, torch.zeros(6), "predict")
    assert len(calls) == 1
    before = model(feats, mode="predict")[0]["probabilities"]
    # As optimizers, resumed runs and averaged weights change it.
    model.context.data.add_(0.1)
    after = model(feats, mode="predict")[0]["probabilities"]
    assert len(calls) == 2 and not torch.equal(before, after)
    model.load_state_dict({"context": model.context - 0.1})
    torch.testing.assert_close(model(feats, mode="predict")[0]["probabilities"], before)
