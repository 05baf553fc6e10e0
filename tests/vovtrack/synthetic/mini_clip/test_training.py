import json
import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vovtrack.errors import InputError
from vovtrack.models import ClipEncoder
from vovtrack.models.clip.encoder import build_clip
from vovtrack.synthetic.classes import class_names
from vovtrack.synthetic.mini_clip import training
from vovtrack.synthetic.mini_clip.captions import state_loss
from vovtrack.synthetic.mini_clip.crops import Crops, cut_crop
from vovtrack.synthetic.mini_clip.reading import area_under_curve, state_auc, zero_shot_accuracy
from vovtrack.synthetic.mini_clip.training import (
    ClipSchedule,
    train_clip,
    train_mini_clip,
    write_weights,
)
from vovtrack.synthetic.states import STATES

COLOURS = {"red": (255, 0, 0), "green": (0, 200, 0), "blue": (0, 60, 255)}
SHAPES = ("disc", "square", "bar")
PATTERNS = ("solid", "striped")
NAMES = tuple(f"{p} {c} {s}" for p in PATTERNS for c in COLOURS for s in SHAPES)
NOVEL = {"striped red disc", "solid green bar", "striped blue square"}
SCHEDULE = ClipSchedule(epochs=14, batch_size=64, lr=3e-3, text_steps=150)


def draw(name, dark, rng):
    """A 72 x 72 crop, RGB and mask, of one object on a noisy ground."""
    pattern, colour, shape = name.split()
    image = rng.integers(90, 140, (64, 64, 3)).astype(np.uint8)
    half = int(rng.integers(10, 16))
    x, y = (int(v) for v in rng.integers(24, 40, 2))
    width, height = (half, half // 3) if shape == "bar" else (half, half)
    mask = np.zeros((64, 64), np.uint8)
    if shape == "disc":
        cv2.circle(mask, (x, y), half, 255, -1)
    else:
        cv2.rectangle(mask, (x - width, y - height), (x + width, y + height), 255, -1)
    paint = np.broadcast_to(np.array(COLOURS[colour], np.uint8), image.shape).copy()
    if pattern == "striped":
        paint[:, (np.arange(64) + int(rng.integers(8))) % 8 < 4] = 0
    image[mask > 0] = paint[mask > 0]
    if dark:
        image = image // 3
    box = x - width, y - height, x + width + 1, y + height + 1
    return cut_crop(image, mask, box, 72)


def make_crops(names, per_class, seed):
    rng = np.random.default_rng(seed)
    labels = [NAMES.index(name) for name in names for _ in range(per_class)]
    dark = rng.random(len(labels)) < 0.3
    images = [draw(NAMES[label], bool(d), rng) for label, d in zip(labels, dark, strict=True)]
    states = torch.zeros(len(labels), len(STATES), dtype=torch.bool)
    states[:, STATES.index("dark")] = torch.from_numpy(dark)
    states[:, STATES.index("clear")] = torch.from_numpy(~dark)
    return Crops(
        images=torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous(),
        labels=torch.tensor(labels),
        states=states,
        names=NAMES,
        novel=torch.tensor([name in NOVEL for name in NAMES]),
    )


@pytest.fixture(scope="module")
def train():
    return make_crops([name for name in NAMES if name not in NOVEL], 32, seed=0)


@pytest.fixture(scope="module")
def val():
    return make_crops(NAMES, 8, seed=1)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "clip.json"
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
    text = {"context_length": 24, "vocab_size": 512, "width": 32, "heads": 2, "layers": 2}
    path.write_text(json.dumps({"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}))
    return path


@pytest.fixture(scope="module")
def trained(train, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "clip.safetensors"
    write_weights(train_clip(train, config, SCHEDULE), path)
    return path


class TestTraining:
    def test_recognises_compositions_it_never_saw(self, trained, config, val):
        scores = zero_shot_accuracy(ClipEncoder(str(config), str(trained)), val)
        assert scores["chance"] == 1 / 18
        assert scores["base"] > 0.6
        assert scores["novel"] > 0.4

    def test_reads_the_state_that_it_was_shown(self, trained, config, val):
        encoder = ClipEncoder(str(config), str(trained), templates="name")
        assert state_auc(encoder, val).keys() == {"dark"}
        assert state_auc(encoder, val)["dark"] > 0.9

    def test_sentences_follow_the_words(self, trained, config):
        encoder = ClipEncoder(str(config), str(trained), templates="name")
        words = F.normalize(encoder.encode(["striped", "red", "disc", "dark"]).sum(0), dim=0)
        said = encoder.encode(["a photo of a striped red disc in the dark"])[0]
        assert float(words @ said) > 0.9

    def test_text_embeddings_add_up(self, trained, config):
        texts = ClipEncoder(str(config), str(trained)).encode(NAMES)
        shared = torch.tensor([[len({*a.split()} & {*b.split()}) for a in NAMES] for b in NAMES])
        cosine = texts @ texts.T
        means = [float(cosine[shared == count].mean()) for count in range(4)]
        assert all(low + 0.05 < high for low, high in zip(means, means[1:], strict=False))

    def test_same_seed_same_weights(self, train, config):
        schedule = replace(SCHEDULE, epochs=1)
        weights = []
        for seed in (1, 1, 2):
            torch.rand(3)
            model = train_clip(train, config, schedule, seed=seed)
            weights.append(torch.cat([p.flatten() for p in model.parameters()]))
        assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[1], weights[2])

    def test_novel_names_enter_no_caption(self, train, config, monkeypatch):
        seen = []
        encode = training.encode_tokens
        monkeypatch.setattr(training, "encode_tokens", lambda m, t: seen.append(t) or encode(m, t))
        train_clip(train, config, replace(SCHEDULE, epochs=1))
        _, tokenizer = build_clip(config)
        rows = {tuple(row[row > 0].tolist()) for tokens in seen for row in tokens}

        def used(name):
            words = tuple(tokenizer([name])[0, 1:4].tolist())
            return any(words == row[i : i + 3] for row in rows for i in range(len(row)))

        assert used("striped red square") and not any(used(name) for name in NOVEL)

    def test_one_class_teaches_nothing(self, config):
        with pytest.raises(InputError, match="at least two classes"):
            train_clip(make_crops(["solid red disc"], 4, seed=0), config, SCHEDULE)


class TestWholeRun:
    def test_file_carries_its_facts_and_half_precision(self, config, tmp_path):
        from safetensors import safe_open

        path = tmp_path / "clip.safetensors"
        facts = train_mini_clip(path, config, replace(SCHEDULE, scenes=8, val_scenes=4, epochs=1))
        with safe_open(path, "pt") as file:
            assert json.loads(file.metadata()["vovtrack"]) == facts
            assert file.get_tensor("text_projection").dtype == torch.float16
        assert facts["train_crops"] > 60 and facts["val_crops"] > 30
        assert facts["zero_shot"]["chance"] == 1 / len(sum(class_names(), []))
        assert [p.name for p in tmp_path.iterdir()] == ["clip.safetensors"]

    def test_out_path_that_no_reader_would_take(self, tmp_path):
        with pytest.raises(InputError, match=r"must end in \.safetensors"):
            train_mini_clip(tmp_path / "clip")

    def test_seed_of_the_validation_scenes(self, tmp_path):
        with pytest.raises(InputError, match="seed must be from 0 to"):
            train_mini_clip(tmp_path / "clip.safetensors", seed=1_000_000)

    def test_command_reports_user_errors_in_a_sentence(self, repository, tmp_path):
        command = [sys.executable, "tools/train_mini_clip.py", "--scenes", "0", "--workers", "1"]
        done = subprocess.run(
            [*command, "--out", tmp_path / "a.safetensors"],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
        )
        assert done.returncode == 2
        assert "scenes must be 1 or more" in done.stderr and "Traceback" not in done.stderr


class TestLoss:
    def test_two_states_of_an_image_do_not_compete(self):
        logits = torch.tensor([[0.0, 50.0, 50.0]])
        both = state_loss(logits, torch.tensor([[False, True, True]]))
        torch.testing.assert_close(both, torch.tensor(0.0))
        one = state_loss(logits, torch.tensor([[False, True, False]]))
        torch.testing.assert_close(one, torch.tensor(np.log(2), dtype=torch.float32))


def test_area_under_curve():
    high, low = torch.tensor([3.0, 4.0]), torch.tensor([1.0, 2.0, 3.5])
    assert area_under_curve(high, low) == pytest.approx(5 / 6)
    assert area_under_curve(low, high) == pytest.approx(1 / 6)
