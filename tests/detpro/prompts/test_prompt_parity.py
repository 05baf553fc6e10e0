"""Prompt learning computes what the released code computes."""

from __future__ import annotations

import open_clip
import pytest
import torch
import torch.nn.functional as F

from detpro.prompts.context import ContextPrompts
from detpro.prompts.data import bin_rows
from detpro.prompts.ensemble import ensemble_embeds
from detpro.prompts.learner import clean_name
from detpro.prompts.losses import LOSSES, class_weights
from tests.detpro.golden import Case, close
from tests.seeded import seeded_state_dict

pytestmark = pytest.mark.golden

ASSEMBLY, LOSS, BINS = Case("prompt_assembly"), Case("prompt_losses"), Case("bin_filter")


class SeededClip:
    """The recorded tiny text tower in the place of a CLIP that is read from disk."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        model = open_clip.CLIP(**ASSEMBLY.meta["open_clip_config"])
        model.load_state_dict(seeded_state_dict(ASSEMBLY.meta["weight_shapes"], "a"))
        self.model = model.eval().requires_grad_(False)

    def to(self, device):
        assert device == self.device
        return self

    def load(self):
        return self.model, open_clip.SimpleTokenizer(context_length=77)


@pytest.fixture(scope="module")
def clip():
    return SeededClip()


def test_names_are_cleaned_as_recorded():
    assert [clean_name(n) for n in ASSEMBLY.texts("names_raw")] == ASSEMBLY.texts("names_clean")


@pytest.mark.parametrize("full_length", [False, True])
@pytest.mark.parametrize("position", ["end", "middle", "front"])
@pytest.mark.parametrize("count", [4, 8])
def test_embeddings_and_gradients(clip, count, position, full_length):
    names = ASSEMBLY.texts("names_clean")
    prompts = ContextPrompts(clip, names, count, position, full_length)
    assert prompts.length == (77 if full_length else int(prompts.end.max()) + 1)
    context = ASSEMBLY[f"ctx_{count}"].requires_grad_()
    embeds = prompts.encode(context)
    close(embeds.detach(), ASSEMBLY[f"emb_{position}_{count}"], 5e-6)
    (embeds * ASSEMBLY["cotangent"]).sum().backward()
    close(context.grad, ASSEMBLY[f"grad_ctx_{position}_{count}"], 5e-5)


@pytest.mark.parametrize("count", [4, 8])
def test_any_name_even_none(clip, count):
    prompts = ContextPrompts(clip, ASSEMBLY.texts("raw_vocab"), count)
    close(prompts.encode(ASSEMBLY[f"ctx_{count}"]), ASSEMBLY[f"emb_raw_vocab_{count}"], 5e-6)


def test_learned_background(clip):
    context = ASSEMBLY["bg_prompt"]
    prompts = ContextPrompts(clip, [""], len(context), full_length=True, ending="")
    assert prompts.end.tolist() == [11]
    close(prompts.encode(context)[0], ASSEMBLY["emb_learned_bg"], 5e-6)


@pytest.mark.parametrize("mode", LOSSES)
def test_losses_and_gradients(mode):
    classes = 866
    embedding = LOSS["embedding"] if mode == "learn" else LOSS["embedding"][:classes]
    embedding = embedding.clone().requires_grad_()
    labels, everything = LOSS["labels"], LOSS["train_labels"]
    feats = F.normalize(LOSS["feats"], dim=1)
    if mode == "fg_only":
        feats, labels = feats[labels < classes], labels[labels < classes]
        everything = everything[everything < classes]
    logits = feats @ F.normalize(embedding, dim=1).T / 0.01
    loss = LOSSES[mode](logits, labels, class_weights(everything, classes))
    loss.backward()
    close(loss.detach(), LOSS[f"loss_{mode}"], 5e-6)
    expected = LOSS[f"grad_{mode}"]
    close(embedding.grad[: len(expected)], expected[: len(embedding)], 5e-6)


def test_the_largest_column_stays_finite_where_softmax_underflows():
    logits = torch.tensor([[99.0, 1.0], [60.0, 2.0]], requires_grad=True)
    LOSSES["max"](logits, torch.tensor([0, 2]), torch.ones(3)).backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("number", range(5))
def test_bins(number):
    bounds = BINS.meta["bins"][number]
    base = torch.tensor(BINS.meta["lvis_base_ids"]).numpy()
    rows, candidates = bin_rows(
        BINS["labels"].numpy(),
        BINS["ious"].numpy(),
        base,
        (bounds["iou_lb"], bounds["iou_ub"]),
        (0.1, 0.5),
    )
    assert rows.tolist() == BINS[f"bin{number}_base_index"].tolist()
    assert candidates.tolist() == BINS[f"bin{number}_neg_candidate_index"].tolist()
    found = torch.from_numpy(base).argsort()[
        torch.searchsorted(torch.from_numpy(base), BINS["labels"][rows])
    ]
    assert torch.equal(found, BINS[f"bin{number}_base_label"])
    labels = torch.cat([found, torch.full((len(candidates) // 10,), len(base))])
    weights, expected = class_weights(labels, len(base)), BINS[f"bin{number}_class_weight"]
    finite = expected.isfinite()
    close(weights[finite], expected[finite], 1e-6)
    assert (weights[~finite] == 0).all()


def test_ensemble():
    banks = [BINS[f"ens_in_{number}"] for number in range(5)]
    close(ensemble_embeds(banks), BINS["ens_out"], 1e-6)
