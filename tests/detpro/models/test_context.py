"""Names that compete without being reported."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from detpro.models.classifier import TextBankClassifier, competing_names
from detpro.models.fusion import GeometricScoreFusion
from vovtrack.engine.load import load_tracker
from vovtrack.errors import InputError
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.structures import Vocabulary

NAMES = ("cat", "dog", "cow", "car_(automobile)", "bus")


@pytest.fixture
def bank(tmp_path):
    rows = F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    save_text_bank(tmp_path / "bank.safetensors", rows, NAMES)
    return str(tmp_path / "bank.safetensors")


def classifier(bank, context, names) -> TextBankClassifier:
    torch.manual_seed(1)
    built = TextBankClassifier(8, text_bank=bank, context=context)
    built.set_vocabulary(Vocabulary.from_names(names))
    return built


@pytest.mark.parametrize(
    ("names", "competing"),
    [
        (["cat"], ["dog", "cow", "car_(automobile)", "bus"]),
        (["red car", "Dog"], ["cat", "cow", "bus"]),
        (["school_bus"], ["cat", "dog", "cow", "car_(automobile)"]),
        (["automobile"], list(NAMES)),
        (list(NAMES), []),
        (["cattle"], list(NAMES)),
    ],
)
def test_names_that_may_mean_the_same_do_not_compete(names, competing):
    assert competing_names(names, NAMES) == competing


def test_a_name_of_signs_only_is_itself():
    assert competing_names(["(x)"], ["(x)", "(y)"]) == ["(y)"]


def test_probabilities_are_those_of_all_names_together(bank):
    embeds = F.normalize(torch.randn(20, 8), dim=1)
    few = classifier(bank, NAMES, ["dog", "bus"])
    torch.manual_seed(1)
    everything = classifier(bank, None, NAMES)
    joint = everything.logits(embeds, 0.1).softmax(1)
    found = few.logits(embeds, 0.1).softmax(1)
    torch.testing.assert_close(found[:, :2], joint[:, [1, 4]])
    torch.testing.assert_close(found[:, 2], joint[:, [0, 2, 3, 5]].sum(1))


def test_a_whole_vocabulary_has_no_context(bank):
    embeds = F.normalize(torch.randn(20, 8), dim=1)
    with_context, without = (classifier(bank, c, NAMES) for c in (NAMES, None))
    assert with_context.competitors == []
    assert torch.equal(with_context.logits(embeds, 0.1), without.logits(embeds, 0.1))


def test_the_image_branch_competes_with_the_context_alone(bank):
    embeds = F.normalize(torch.randn(20, 8), dim=1)
    alone = classifier(bank, None, ["dog"]).logits(embeds, 0.1, background=False)
    assert (alone[:, -1] == -torch.inf).all()
    few = classifier(bank, NAMES, ["dog"])
    logits = few.logits(embeds, 0.1, background=False)
    joint = classifier(bank, None, NAMES).logits(embeds, 0.1)[:, :-1].softmax(1)
    torch.testing.assert_close(logits.softmax(1)[:, 0], joint[:, 1])
    fused = GeometricScoreFusion(fixed_text_weight=0.0)(logits, logits, torch.zeros(2))
    torch.testing.assert_close(fused[:, 0], joint[:, 1])


def test_context_follows_the_vocabulary(bank):
    changing = classifier(bank, NAMES, ["dog"])
    assert len(changing.context_embeds()) == 4
    changing.set_vocabulary(Vocabulary.from_names(["dog", "cat", "bus"]))
    assert changing.competitors == ["cow", "car_(automobile)"]
    assert len(changing.context_embeds()) == 2


def test_context_that_cannot_be_described_is_an_error(bank):
    lost = TextBankClassifier(8, context=NAMES)
    lost.set_vocabulary(Vocabulary.from_names(["dog"]), torch.randn(1, 8))
    with pytest.raises(InputError, match=r"No text embeddings for 5 of 5 classes \(cat, dog, cow"):
        lost.logits(torch.randn(3, 8), 0.1)


def test_one_name_does_not_take_every_object(repository):
    """The shipped tracker, asked for one class of a scene with several."""
    model = load_tracker("mini", classes=["striped red star"], device="cpu").model
    assert len(model.detector.roi_head.classifier.competitors) == 167
    torch.manual_seed(0)
    embeds = F.normalize(model.detector.roi_head.classifier.context_embeds(), dim=1)
    scores = model.detector.roi_head.classifier.logits(embeds, 0.01).softmax(1)[:, 0]
    assert (scores < 0.5).all()
