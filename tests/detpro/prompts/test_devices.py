"""Prompt learning on a GPU: CLIP and its sentences go where the context is."""

from __future__ import annotations

import pytest
import torch
from mmengine.optim import OptimWrapper

from detpro.prompts import PromptLearner
from detpro.prompts.ensemble import encode_names
from tests.fake_cuda import fake_cuda
from tests.places import CLIP, ROOT
from tests.waits import Waits
from vovtrack.registry import MODELS

VOCABULARY = str(ROOT / "configs/mini/vocabulary.json")
BASE = 126
BATCH = dict(inputs=torch.ones(2, 64), labels=torch.tensor([3, BASE]))


def build(mode: str = "soft") -> PromptLearner:
    """A learner of the mini classes."""
    torch.manual_seed(0)
    return PromptLearner(dict(type="ClipEncoder", **CLIP), VOCABULARY, mode=mode)


def step(model: PromptLearner, weights: torch.Tensor) -> torch.Tensor:
    """The context after one step of training."""
    model.class_weights = weights
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train().train_step(dict(BATCH), OptimWrapper(optimizer))
    return model.context.detach()


@pytest.mark.parametrize("mode", ["soft", "learn"])
@pytest.mark.parametrize("sentences", ["built on the CPU", "not built yet"])
def test_a_step_of_training(mode, sentences):
    expected = step(build(mode), torch.ones(BASE + 1))
    model = build(mode)
    if sentences == "built on the CPU":
        _ = model.base_prompts, model.background_prompt
    with fake_cuda() as gpu:
        found = step(model.to(gpu), torch.ones(BASE + 1).to(gpu))
        assert found.device == gpu and model.clip.device == gpu
        torch.testing.assert_close(found.cpu(), expected)


def test_validation():
    model = build().eval()
    with torch.no_grad():
        expected = model.val_step(dict(BATCH))[0]["probabilities"]
        with fake_cuda() as gpu:
            found = model.to(gpu).val_step(dict(BATCH))[0]["probabilities"]
            assert found.device == gpu
            torch.testing.assert_close(found.cpu(), expected)


@pytest.mark.parametrize("mode", ["soft", "hinge", "mean", "meanbg", "max"])
def test_losses_do_not_make_the_cpu_wait(mode):
    model = build(mode)
    with fake_cuda() as gpu:
        model.to(gpu).class_weights = torch.ones(BASE + 1).to(gpu)
        inputs, labels = (part.to(gpu) for part in BATCH.values())
        first = model(inputs, labels, "loss")["loss_prompt"]
        with Waits() as waits:
            again = model(inputs, labels, "loss")["loss_prompt"]
        assert not waits.found and again.isfinite() and torch.equal(first, again)


def test_names_encoded_where_clip_runs():
    clip = MODELS.build(dict(type="ClipEncoder", **CLIP))
    contexts = [build().context.detach(), torch.zeros(4, 64)]
    expected = encode_names(contexts, clip, ["star", "ring"])
    with fake_cuda() as gpu:
        found = encode_names(contexts, clip.to(gpu), ["star", "ring"])
    torch.testing.assert_close(found, expected)
