"""The CLIP that is shipped, on freshly rendered scenes."""

import json

import cv2
import open_clip
import pytest
import torch
import torch.nn.functional as F

from vovtrack.models import ClipEncoder
from vovtrack.models.clip.encoder import build_clip
from vovtrack.models.clip.templates import lvis_templates
from vovtrack.synthetic import class_names, render_clip
from vovtrack.synthetic.mini_clip.crops import read_crops
from vovtrack.synthetic.mini_clip.training import zero_shot_accuracy

CONFIG = "configs/mini/clip_mini.json"
WEIGHTS = "saved_models/mini/clip_mini.safetensors"


@pytest.fixture
def encoder(repository):
    return ClipEncoder(CONFIG, WEIGHTS)


def test_recognises_base_and_novel_objects_of_new_scenes(encoder, tmp_path):
    images, annotations = [], []
    for seed in range(40):
        frames, truth = render_clip(seed=90_000 + seed, num_frames=1)
        cv2.imwrite(str(tmp_path / f"{seed}.png"), frames[0][..., ::-1])
        images.append({"id": seed, "file_name": f"{seed}.png"})
        for (x1, y1, x2, y2), label in zip(truth.bboxes.tolist(), truth.labels, strict=True):
            bbox = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"image_id": seed, "category_id": int(label), "bbox": bbox})
    names, novel = truth.vocabulary.names, truth.vocabulary.novel
    categories = [
        {"id": i, "name": name, "frequency": "r" if novel[i] else "f"}
        for i, name in enumerate(names)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "scenes.json").write_text(json.dumps(content))
    scores = zero_shot_accuracy(encoder, read_crops(tmp_path / "scenes.json", tmp_path))
    assert scores["base"] > 0.5 and scores["novel"] > 0.4


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
    full = open_clip.SimpleTokenizer(context_length=32)(sentences)
    pairs = torch.stack([full.flatten(), tokenizer(sentences).flatten()], dim=1).unique(dim=0)
    assert len(pairs) == len(pairs[:, 1].unique())


def test_small_enough_for_git(repository):
    assert (repository / WEIGHTS).stat().st_size < 3_000_000
