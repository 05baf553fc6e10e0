import json
import os
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from vovtrack.errors import InputError
from vovtrack.models import ClipEncoder
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD, build_clip
from vovtrack.synthetic.mini_clip.crops import augment, centre_view, join_crops, read_crops
from vovtrack.synthetic.mini_clip.training import (
    ClipSchedule,
    contrastive_loss,
    train_mini_clip,
    word_subsets,
)

COLOURS = {"red": (255, 0, 0), "green": (0, 200, 0), "blue": (0, 60, 255)}
SHAPES = ("disc", "square", "bar")
PATTERNS = ("solid", "striped")
NAMES = [f"{p} {c} {s}" for p in PATTERNS for c in COLOURS for s in SHAPES]
NOVEL = {"striped red disc", "solid green bar", "striped blue square"}
# In this handful of classes colour and shape are tied: hiding colours often unties them.
SCHEDULE = ClipSchedule(epochs=14, batch_size=64, lr=3e-3, hide_colour=0.6)


def draw(name, rng):
    """A 64 x 64 RGB image of one object on a noisy ground, and its box."""
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
    box = [x - width, y - height, 2 * width + 1, 2 * height + 1]
    return image, [float(v) for v in box]


def write_split(root, split, names, per_class, seed):
    """An annotation file in the LVIS style and its images."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for name in [name for name in names for _ in range(per_class)]:
        image, bbox = draw(name, rng)
        number = len(images) + 1
        path = root / "images" / split / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])
        images.append({"id": number, "file_name": f"{split}/{path.name}"})
        label = NAMES.index(name)
        annotations.append(
            {"id": number, "image_id": number, "category_id": label + 1, "bbox": bbox}
        )
    categories = [
        {"id": i + 1, "name": name, "frequency": "r" if name in NOVEL else "f"}
        for i, name in enumerate(NAMES)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    path = root / "annotations" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    base = [name for name in NAMES if name not in NOVEL]
    write_split(root / "lvis", "train", base, 24, seed=0)
    write_split(root / "lvis", "val", NAMES, 6, seed=1)
    write_split(root / "pairs", "train", base, 8, seed=2)
    return root


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "clip.json"
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
    text = {"context_length": 24, "vocab_size": 512, "width": 32, "heads": 2, "layers": 2}
    path.write_text(json.dumps({"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}))
    return path


@pytest.fixture(scope="module")
def trained(world, config, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "clip.safetensors"
    return path, train_mini_clip(world, path, config, SCHEDULE)


class TestTraining:
    def test_recognises_compositions_it_never_saw(self, trained):
        scores = trained[1]["zero_shot"]
        assert scores["chance"] == 1 / 18
        assert scores["base"] > 0.6
        assert scores["novel"] > 0.4

    def test_text_embeddings_add_up(self, trained, config):
        encoder = ClipEncoder(str(config), str(trained[0]))
        texts = encoder.encode(NAMES)
        shared = torch.tensor([[len({*a.split()} & {*b.split()}) for a in NAMES] for b in NAMES])
        cosine = texts @ texts.T
        means = [float(cosine[shared == count].mean()) for count in range(4)]
        assert all(low + 0.05 < high for low, high in zip(means, means[1:], strict=False))

    def test_file_carries_its_facts_and_half_precision(self, trained):
        from safetensors import safe_open

        path, facts = trained
        with safe_open(path, "pt") as file:
            assert json.loads(file.metadata()["vovtrack"]) == facts
            assert file.get_tensor("text_projection").dtype == torch.float16
        assert facts["train_crops"] == 15 * 32 and facts["val_crops"] == 18 * 6
        assert [p.name for p in path.parent.iterdir()] == ["clip.safetensors"]

    def test_same_seed_same_bytes(self, world, config, tmp_path):
        schedule = replace(SCHEDULE, epochs=1)
        files = [tmp_path / f"{name}.safetensors" for name in "abc"]
        for path, seed in zip(files, (1, 1, 2), strict=True):
            torch.rand(3)
            train_mini_clip(world, path, config, schedule, seed=seed)
        first, second, other = [path.read_bytes() for path in files]
        assert first == second != other

    def test_novel_names_enter_no_caption(self, world, config, tmp_path, monkeypatch):
        from vovtrack.synthetic.mini_clip import training as clip_training

        seen = []
        encode = clip_training.encode_tokens
        monkeypatch.setattr(
            clip_training, "encode_tokens", lambda m, t: seen.append(t) or encode(m, t)
        )
        schedule = replace(SCHEDULE, epochs=1)
        train_mini_clip(world, tmp_path / "clip.safetensors", config, schedule)
        _, tokenizer = build_clip(config)
        rows = {tuple(row[row > 0].tolist()) for tokens in seen for row in tokens}

        def used(name):
            words = tuple(tokenizer([name])[0, 1:4].tolist())
            return any(words == row[i : i + 3] for row in rows for i in range(len(row)))

        assert used("striped red square") and not any(used(name) for name in NOVEL)


class TestLoss:
    def test_reduces_to_infonce_for_different_captions(self):
        images, texts = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
        loss = contrastive_loss(images, texts, torch.arange(4), torch.tensor(2.0))
        logits = 2 * images @ texts.T
        rows, columns = logits.log_softmax(1).diag(), logits.log_softmax(0).diag()
        torch.testing.assert_close(loss, -(rows.mean() + columns.mean()) / 2)

    def test_images_of_one_caption_do_not_repel_each_other(self):
        texts = torch.eye(2)
        target = torch.tensor([0, 0, 1])
        perfect = contrastive_loss(texts[target], texts, target, torch.tensor(100.0))
        # Two images share a caption: the entropy of their equal shares is all that is left.
        torch.testing.assert_close(perfect, torch.tensor(np.log(2) / 4, dtype=torch.float32))


def test_word_subsets():
    assert word_subsets(["striped", "red", "star"]) == [
        ("striped",),
        ("red",),
        ("star",),
        ("striped", "red"),
        ("striped", "star"),
        ("red", "star"),
        ("striped", "red", "star"),
    ]


class TestCrops:
    def test_box_is_centred_and_fills_its_share(self, tmp_path):
        image = np.zeros((40, 60, 3), np.uint8)
        image[10:26, 30:46] = (255, 0, 0)
        (tmp_path / "images").mkdir()
        cv2.imwrite(str(tmp_path / "images" / "a.png"), image[..., ::-1])
        content = {
            "images": [{"id": 1, "file_name": "a.png"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 9, "bbox": [30, 10, 16, 16]}],
            "categories": [{"id": 4, "name": "a"}, {"id": 9, "name": "b", "frequency": "r"}],
        }
        (tmp_path / "a.json").write_text(json.dumps(content))
        crops = read_crops(tmp_path / "a.json", tmp_path / "images", size=80)
        assert crops.labels.tolist() == [1] and crops.novel.tolist() == [False, True]
        red = crops.images[0, 0] > 127
        rows, columns = red.any(dim=1).nonzero()[:, 0], red.any(dim=0).nonzero()[:, 0]
        for side in (rows, columns):  # 80 / 1.6 = 50 pixels in the middle
            assert abs(int(side[0]) - 15) <= 1 and abs(int(side[-1]) - 64) <= 1
        view = centre_view(crops.images, 44)[0, 0] * CLIP_STD[0] + CLIP_MEAN[0]
        red = view > 0.5  # 44 / 1.1 = 40 pixels in the middle
        assert abs(int(red.any(dim=0).sum()) - 40) <= 1 and red[22, 22]

    def test_hidden_colour_is_hidden_and_brightness_kept(self):
        red = torch.zeros(64, 3, 8, 8, dtype=torch.uint8)
        red[:, 0] = 120
        red[:, 1:] = 60
        generator = torch.Generator().manual_seed(0)
        std, mean = torch.tensor(CLIP_STD), torch.tensor(CLIP_MEAN)

        def colours(hide):
            view = augment(red, 8, generator, hide)[:, :, 4, 4]
            return view * std + mean

        assert (colours(None).argmax(dim=1) == 0).all()
        hidden = colours("colour")
        assert hidden.argmax(dim=1).bincount(minlength=3).min() > 8
        assert abs(float(hidden.mean()) - 80 / 255) < 0.03

    def test_files_of_different_vocabularies_are_not_joined(self, world):
        crops = read_crops(world / "lvis/annotations/val.json", world / "lvis/images")
        with pytest.raises(InputError, match="different categories"):
            join_crops(crops, replace(crops, names=crops.names[::-1]))


class TestBadInput:
    def test_missing_world(self, tmp_path, config):
        with pytest.raises(InputError, match="train.json does not exist.*vovtrack synth"):
            train_mini_clip(tmp_path, tmp_path / "a.safetensors", config)

    def test_out_path_that_no_reader_would_take(self, tmp_path):
        with pytest.raises(InputError, match="must end in .safetensors"):
            train_mini_clip(tmp_path, tmp_path / "clip")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"annotations": None}, "lacks the key 'annotations'"),
            ({"annotations": []}, "no boxes"),
            ({"images": [{"id": 1, "file_name": "gone.png"}]}, "gone.png.*cannot be read"),
        ],
    )
    def test_annotation_file(self, world, tmp_path, change, message):
        content = json.loads((world / "lvis/annotations/val.json").read_text())
        content |= change
        path = tmp_path / "bad.json"
        path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
        with pytest.raises(InputError, match=message):
            read_crops(path, world / "lvis/images")


def test_command_reports_user_errors_in_a_sentence(repository, tmp_path):
    command = [sys.executable, "tools/train_mini_clip.py", "--world", tmp_path]
    done = subprocess.run(
        [*command, "--out", tmp_path / "a.safetensors"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(repository)},
    )
    assert done.returncode == 2
    assert "does not exist" in done.stderr and "Traceback" not in done.stderr
