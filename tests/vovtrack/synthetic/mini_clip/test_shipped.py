"""The CLIP that is shipped, on freshly rendered scenes."""

import json

import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

from vovtrack.files.hashing import file_sha256
from vovtrack.models import ClipEncoder
from vovtrack.models.clip.encoder import build_clip
from vovtrack.models.clip.templates import lvis_templates
from vovtrack.synthetic import class_names
from vovtrack.synthetic.mini_clip.crops import render_crops
from vovtrack.synthetic.mini_clip.reading import STATE_PROMPTS, state_auc, zero_shot_accuracy
from vovtrack.synthetic.states import STATES

CONFIG = "configs/mini/clip_mini.json"
WEIGHTS = "saved_models/mini/clip_mini.safetensors"


@pytest.fixture(scope="module")
def crops():
    return render_crops(seed=2_000_000, scenes=40, novel_share=0.4)


@pytest.fixture
def encoder(repository):
    return ClipEncoder(CONFIG, WEIGHTS)


@pytest.fixture
def plain(repository):
    return ClipEncoder(CONFIG, WEIGHTS, templates="name")


def test_recognises_base_and_novel_objects_of_new_scenes(encoder, crops):
    scores = zero_shot_accuracy(encoder, crops)
    assert scores["base"] > 0.78 and scores["novel"] > 0.74


def test_reads_states_of_new_scenes(plain, crops):
    scores = state_auc(plain, crops)
    assert scores.keys() == set(STATES[1:])
    assert min(scores.values()) > 0.8 and scores["dark"] > 0.95


def test_bare_words_say_what_sentences_say(plain):
    words, sentences = plain.encode(STATES), plain.encode([STATE_PROMPTS[s] for s in STATES])
    assert torch.equal((words @ sentences.T).argmax(dim=1), torch.arange(len(STATES)))


def test_novel_names_lie_where_the_base_names_say(encoder):
    base, novel = class_names()
    words = sorted({word for name in base for word in name.split()})

    def parts(names):
        return torch.tensor([[float(word in name.split()) for word in words] for name in names])

    fit = torch.linalg.lstsq(parts(base), encoder.encode(base), driver="gelsd").solution
    predicted = F.normalize(parts(novel) @ fit, dim=-1)
    assert (predicted * encoder.encode(novel)).sum(dim=1).min() > 0.97


def test_no_two_words_of_the_mini_world_share_a_row(repository):
    _, tokenizer = build_clip(CONFIG)
    sentences = [t.format(name) for t in lvis_templates() for name in sum(class_names(), [])]
    sentences += STATE_PROMPTS.values()
    full = open_clip.SimpleTokenizer(context_length=32)(sentences)
    pairs = torch.stack([full.flatten(), tokenizer(sentences).flatten()], dim=1).unique(dim=0)
    assert len(pairs) == len(pairs[:, 1].unique())


def test_file_says_how_it_was_made(repository):
    with safe_open(repository / WEIGHTS, "pt") as file:
        facts = json.loads(file.metadata()["vovtrack"])
    assert facts["config_sha256"] == file_sha256(repository / CONFIG)
    assert facts["zero_shot"]["base"] > 0.8 and facts["schedule"]["scenes"] > 100


def test_small_enough_for_git(repository):
    assert (repository / WEIGHTS).stat().st_size < 4_000_000
