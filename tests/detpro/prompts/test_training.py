"""Prompt learning from the command line, on regions of a tiny world."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from detpro.features.encoder import RegionEncoder
from detpro.features.extract import extract_bank
from detpro.features.region_set import RegionSet
from detpro.prompts import PromptLearner, RegionEmbeddingDataset, RegionNamingMetric
from detpro.prompts.ensemble import ensemble_embeds, load_context, load_embeds
from detpro.prompts.samples import read_samples
from tests.places import CLIP, ROOT
from vovtrack.cli.main import main
from vovtrack.errors import InputError
from vovtrack.models.clip.encoder import ClipEncoder
from vovtrack.models.clip.text_bank import load_text_bank
from vovtrack.structures import Vocabulary

VOCABULARY = str(ROOT / "configs/mini/vocabulary.json")


@pytest.fixture(scope="module")
def annotated(tmp_path_factory, ann_file, paths, clip):
    """The bank of the annotated boxes."""
    folder = tmp_path_factory.mktemp("annotated")
    extract_bank(folder, RegionSet.from_annotations(ann_file), paths, RegionEncoder(clip))
    return folder


@pytest.fixture(scope="module")
def options(ann_file, bank, annotated):
    """The mini config on the tiny world."""
    found = []
    for loader in ("train", "val"):
        found += [
            f"{loader}_dataloader.dataset.ann_file={ann_file}",
            f"{loader}_dataloader.dataset.banks=['{bank}','{annotated}']",
        ]
    return [*found, "train_dataloader.batch_size=16", "train_cfg.max_epochs=2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, options):
    """A finished run."""
    folder = tmp_path_factory.mktemp("prompts")
    words = ["prompts", "train", str(ROOT / "configs/mini/prompts.py"), "--work-dir", str(folder)]
    assert main([*words, "--seed", "3", "--cfg-options", *options]) == 0
    return folder


def test_bins_become_one_file(trained):
    contexts = sorted(trained.glob("bin_*"))
    assert len(contexts) == 5
    released = torch.load(trained / "iou_neg5_ens.pth", weights_only=True)
    assert released.shape == (168, 64) and torch.allclose(released.norm(dim=1), torch.ones(168))
    named = trained / "iou_neg5_ens.safetensors"
    assert len(load_text_bank(named).names) == 168
    assert torch.allclose(load_embeds(named), released)


def test_a_seed_gives_the_same_and_finished_bins_are_kept(trained, options, tmp_path):
    words = ["prompts", "train", str(ROOT / "configs/mini/prompts.py"), "--seed", "3"]
    again = [*words, "--work-dir", str(tmp_path), "--cfg-options", *options]
    assert main(again) == 0
    first = load_embeds(trained / "iou_neg5_ens.pth")
    assert torch.equal(first, load_embeds(tmp_path / "iou_neg5_ens.pth"))
    checkpoint = next((tmp_path / "bin_0.5_0.6").glob("epoch_2.pth"))
    before = checkpoint.stat().st_mtime_ns
    shutil.rmtree(tmp_path / "bin_0.9_1.1")
    assert main(again) == 0
    assert checkpoint.stat().st_mtime_ns == before
    assert torch.equal(first, load_embeds(tmp_path / "iou_neg5_ens.pth"))


def test_a_released_data_file_teaches_the_same(
    trained, options, ann_file, bank, annotated, tmp_path
):
    """The same regions, once in banks and once in the file of the original commands."""
    vocabulary = Vocabulary.load(VOCABULARY)
    folders = [str(bank), str(annotated)]
    paths = {}
    for name, visible in (("train", "base"), ("val", "all")):
        found = read_samples(folders, str(ann_file), vocabulary, visible, 0.1)
        features = torch.from_numpy(found.source.rows(found.rows).astype(np.float32))
        labels, ious = torch.from_numpy(found.labels).long(), torch.from_numpy(found.ious)
        paths[name] = tmp_path / f"{name}_data.pth"
        torch.save((features, labels, ious), paths[name])
    words = ["prompts", "train", str(ROOT / "configs/mini/prompts.py"), "--seed", "3"]
    files = [f"{name}_dataloader.dataset.data_file={path}" for name, path in paths.items()]
    others = [option for option in options if ".dataset." not in option]
    work_dir = tmp_path / "w"
    assert main([*words, "--work-dir", str(work_dir), "--cfg-options", *others, *files]) == 0
    expected = load_embeds(trained / "iou_neg5_ens.pth")
    assert torch.equal(load_embeds(work_dir / "iou_neg5_ens.pth"), expected)


def test_encode_and_ensemble(trained, tmp_path, capsys):
    checkpoints = [str(next(f.glob("epoch_2.pth"))) for f in sorted(trained.glob("bin_*"))]
    clip = ["--clip", CLIP["model"], "--clip-weights", CLIP["pretrained"]]
    out = tmp_path / "all.safetensors"
    words = ["prompts", "encode", *checkpoints, "--classes", VOCABULARY, "--out", str(out), *clip]
    assert main(words) == 0
    expected = load_embeds(trained / "iou_neg5_ens.pth")
    assert torch.allclose(load_embeds(out), expected, atol=1e-6)
    single = []
    for number, checkpoint in enumerate(checkpoints):
        single.append(str(tmp_path / f"{number}.pth"))
        words = ["prompts", "encode", checkpoint, "--classes", VOCABULARY, "--out", single[-1]]
        assert main([*words, *clip]) == 0
    joined = str(tmp_path / "joined.pth")
    assert main(["prompts", "ensemble", *single, "--out", joined]) == 0
    assert torch.allclose(load_embeds(joined), expected, atol=1e-6)
    few = ["prompts", "encode", checkpoints[0], "--classes", "striped red star, blue circle"]
    assert main([*few, "--out", str(tmp_path / "few.pth"), *clip]) == 0
    assert len(load_embeds(tmp_path / "few.pth")) == 2
    assert main(["prompts", "ensemble", single[0], str(tmp_path / "few.pth"), "--out", joined]) == 2
    assert "cannot be put together" in capsys.readouterr().err


def test_training_lowers_the_loss_and_moves_only_the_context(ann_file, bank, annotated):
    data = RegionEmbeddingDataset(str(ann_file), [str(bank), str(annotated)], negative_share=0.5)
    torch.manual_seed(0)
    model = PromptLearner(dict(type="ClipEncoder", **CLIP), VOCABULARY, temperature=0.047)
    model.class_weights = data.class_weights
    assert [name for name, _ in model.named_parameters()] == ["context"]
    assert set(model.state_dict()) == {"context"}
    inputs = torch.stack([data[i]["inputs"] for i in range(len(data))])
    labels = torch.stack([data[i]["labels"] for i in range(len(data))])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = model(inputs, labels, "loss")["loss_prompt"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("mode", ["learn", "hinge", "max"])
def test_other_modes_run(ann_file, bank, mode):
    data = RegionEmbeddingDataset(str(ann_file), [str(bank)], negative_share=1.0)
    model = PromptLearner(dict(type="ClipEncoder", **CLIP), VOCABULARY, mode=mode)
    model.class_weights = data.class_weights
    batch = [data[i] for i in range(len(data))]
    loss = model(
        torch.stack([b["inputs"] for b in batch]), torch.stack([b["labels"] for b in batch]), "loss"
    )["loss_prompt"]
    loss.backward()
    assert loss.isfinite() and model.context.grad.any()
    assert (model.background_context is not None) == (mode == "learn")


def test_the_metric_tells_base_from_novel():
    metric = RegionNamingMetric(VOCABULARY)
    novel = metric.novel.nonzero()[0, 0].item()
    base = (~metric.novel).nonzero()[0, 0].item()
    probabilities = torch.zeros(4, 64)
    probabilities[torch.arange(4), torch.tensor([base, novel, base, base])] = 1.0
    labels = torch.tensor([base, novel, novel, -1])
    metric.process({}, [dict(probabilities=probabilities, labels=labels)])
    found = metric.compute_metrics(metric.results)
    assert (found["base_top1"], found["novel_top1"], found["background_sure"]) == (100, 50, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(iou_range=(1.2, 1.3)), "IoU bin .* holds 0 regions of base classes"),
        (dict(negative_range=(0.2, 0.2)), "0 of background"),
        (dict(banks=["nowhere"]), "not a feature bank"),
    ],
)
def test_data_that_cannot_teach(ann_file, bank, change, message):
    with pytest.raises(InputError, match=message):
        RegionEmbeddingDataset(**{**dict(ann_file=str(ann_file), banks=[str(bank)]), **change})


def test_a_bank_of_other_images(ann_file, bank, tmp_path):
    content = json.loads(ann_file.read_text())
    for image in content["images"]:
        image["id"] += 1000
    for annotation in content["annotations"]:
        annotation["image_id"] += 1000
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="have no region of .*other.json"):
        RegionEmbeddingDataset(str(tmp_path / "other.json"), [str(bank)])


def test_unknown_settings(tmp_path):
    clip = dict(type="ClipEncoder", **CLIP)
    with pytest.raises(InputError, match="mode is 'softer'"):
        PromptLearner(clip, VOCABULARY, mode="softer")
    with pytest.raises(InputError, match="position is 'back'"):
        PromptLearner(clip, VOCABULARY, position="back")(torch.zeros(1, 64))
    with pytest.raises(InputError, match="has 4 tokens, num_context is 8"):
        PromptLearner(clip, VOCABULARY, init_words="a photo of a")
    torch.save(dict(weights=3), tmp_path / "x.pth")
    with pytest.raises(InputError, match="holds no context vectors"):
        load_context(tmp_path / "x.pth")
    with pytest.raises(InputError, match="cannot be put together"):
        ensemble_embeds([torch.ones(2, 3), torch.ones(3, 3)])
    with pytest.raises(InputError, match="too long"):
        PromptLearner(clip, ["word " * 40])(torch.zeros(1, 64))


def test_a_context_of_another_clip(trained, tmp_path, capsys):
    torch.save(torch.zeros(4, 512), tmp_path / "ctx.pth")
    words = ["prompts", "encode", str(tmp_path / "ctx.pth"), "--classes", "a, b", "--out"]
    clip = ["--clip", CLIP["model"], "--clip-weights", CLIP["pretrained"]]
    assert main([*words, str(tmp_path / "o.pth"), *clip]) == 2
    assert "name the CLIP that it was learned with" in capsys.readouterr().err
    assert ClipEncoder(**CLIP).token_dims == 64
