"""Recorded matching and sampling of regions, and a training step of the embedding head on them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox2roi
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from ovtrack.models import LevelRoIExtractor, PairEmbedHead
from ovtrack.models.pairs import PairSampler
from tests.places import ROOT
from tests.seeded import normal, seeded_state_dict
from vovtrack.registry import MODELS

FILE = "sampling.npz"
MODEL = Config.fromfile(ROOT / "configs/_base_/models/qdtrack_association.py").model
SAMPLER = MODEL.pair_sampler.sampler
NUM_POS = int(SAMPLER.num * SAMPLER.pos_fraction)


def make_sampler(**options) -> PairSampler:
    """With the settings of the recorded original."""
    return PairSampler(MODEL.pair_sampler.assigner, dict(SAMPLER, **options))


class Image:
    """One recorded case: proposals and objects of an image."""

    def __init__(self, arrays, name: str) -> None:
        self.arrays, self.name = arrays, name
        self.objects, self.proposals = (self.tensor(key) for key in ("gt", "proposals"))
        self.regions = torch.cat([self.proposals, self.objects])

    def tensor(self, key: str) -> Tensor:
        return torch.from_numpy(self.arrays[f"{self.name}/{key}"])

    def has(self, key: str) -> bool:
        return f"{self.name}/{key}" in self.arrays.files

    def sample(self, **options) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes picked of a key image; and of a reference image, with the object they show."""
        torch.manual_seed(0)
        known = sample_of(self.objects, torch.arange(len(self.objects)))
        boxes, shown, _ = make_sampler(**options).sample(
            [InstanceData(bboxes=self.proposals)] * 2, [known, known]
        )
        return boxes[0], boxes[1], shown[1]

    def places(self, boxes: Tensor) -> Tensor:
        """Which regions these boxes are."""
        equal = (boxes[:, None] == self.regions).all(dim=2)
        assert equal.any(dim=1).all(), "boxes are regions of the image"
        return equal.int().argmax(dim=1)


def sample_of(objects: Tensor, ids: Tensor) -> DetDataSample:
    # The label of an object is its place, so that what is shown can be told.
    known = InstanceData(bboxes=objects, labels=torch.arange(len(objects)), instances_ids=ids)
    return DetDataSample(gt_instances=known)


def images(arrays) -> list[Image]:
    names = sorted({k.split("/")[0] for k in arrays.files if k.endswith("/assigned_gt")})
    return [Image(arrays, name) for name in names]


def counted(boxes: Tensor) -> Counter:
    return Counter(map(tuple, boxes.tolist()))


def test_regions_are_matched_to_objects(recorded):
    for image in images(recorded.arrays(FILE)):
        found = make_sampler().assigner.assign(
            InstanceData(priors=image.regions),
            InstanceData(bboxes=image.objects, labels=torch.arange(len(image.objects))),
        )
        expected = image.tensor("assigned_label")
        assert torch.equal(found.gt_inds.clamp(max=1), expected), image.name
        shows = expected == 1
        owners = image.tensor("assigned_gt")[shows]
        assert torch.equal(found.gt_inds[shows] - 1, owners), image.name
        np.testing.assert_allclose(
            found.max_overlaps, image.tensor("assigned_iou"), atol=1e-6, err_msg=image.name
        )


def test_samples_that_leave_no_choice(recorded):
    found = [image for image in images(recorded.arrays(FILE)) if image.tensor("deterministic")]
    assert found
    for image in found:
        key, reference, shown = image.sample()
        rows, owners = image.tensor("sampled_index"), image.tensor("sampled_gt")
        positive = image.tensor("sampled_label") == 1
        assert torch.equal(key, image.regions[rows[positive]]), image.name
        assert torch.equal(reference, image.regions[rows]), image.name
        assert torch.equal(shown, torch.where(positive, owners, -1)), image.name


def test_random_samples(recorded):
    unfaithful = [key.removesuffix("_observed") for key in recorded.meta(FILE)]
    found = [image for image in images(recorded.arrays(FILE)) if image.name not in unfaithful]
    for image in found:
        key, reference, shown = image.sample()
        num_pos, num_neg = image.tensor("num_sampled").tolist()
        assert [len(key), int((shown >= 0).sum())] == [num_pos] * 2, image.name
        assert len(reference) == num_pos + num_neg, image.name
        if image.has("sampled_positive_index"):
            expected = image.regions[image.tensor("sampled_positive_index")]
            assert counted(key) == counted(expected), image.name


def test_background_comes_from_all_bins_of_its_overlap(recorded):
    arrays = recorded.arrays(FILE)
    found = [image for image in images(arrays) if image.has("negative_bin_available")]
    assert found
    for image in found:
        _, reference, shown = image.sample()
        overlaps = image.tensor("assigned_iou")
        background = overlaps[image.tensor("assigned_label") == 0]
        picked = overlaps[image.places(reference[shown < 0])]
        widest = float(background.max())
        edges = np.linspace(0, widest, SAMPLER.num_bins + 1)
        # The largest overlap itself lies in no bin there.
        available, drawn = (
            np.histogram(part[part < widest].numpy(), edges)[0] for part in (background, picked)
        )
        assert available.tolist() == image.tensor("negative_bin_available").tolist()
        quota = int(image.tensor("num_sampled")[1]) // SAMPLER.num_bins
        assert (drawn >= np.minimum(available, quota) - 1).all(), image.name
        every = available < quota
        expected = image.tensor("negative_bin_sampled").numpy()
        assert (drawn[every] == expected[every]).all(), image.name


def test_too_many_positives(recorded):
    meta = recorded.meta(FILE)
    for name in (key for key in meta if key.endswith("_observed")):
        image, observed = Image(recorded.arrays(FILE), name.removesuffix("_observed")), meta[name]
        labels, owners = image.tensor("assigned_label"), image.tensor("assigned_gt")
        key, reference, shown = image.sample()
        assert len(reference) == observed["sampled"] == SAMPLER.num
        assert len(key) == (shown >= 0).sum() == NUM_POS
        assert (labels[image.places(key)] == 1).all()
        # The original takes places among the positives for places of regions, save for what makes
        # up for the equal parts of objects.
        counts = owners[labels == 1].bincount()
        parts = counts.clamp(max=NUM_POS // (counts > 0).sum()).sum()
        right = NUM_POS - int(parts)
        by_chance = int((labels[: observed["positives"]] == 1).sum())
        key, reference, _ = image.sample(released_positives=True)
        for count in (observed["sampled_with_label_1"], len(key)):
            assert right <= count <= right + by_chance
        places = image.places(reference)
        assert len(places) == SAMPLER.num and (labels[places] == 1).sum() == len(key)


PART = "qdtrack_head.similarity_head."


def our_name(key: str) -> str:
    """Our name of a weight of the embedding head."""
    name = key.removeprefix(PART).replace(".0.0.", ".0.").replace(".norm.", ".gn.")
    plain = name.startswith("convs.") and ".gn." not in name
    return name.replace(".weight", ".conv.weight") if plain else name


def make_head(shapes: dict[str, list[int]], salt: str) -> PairEmbedHead:
    shapes = {key: shape for key, shape in shapes.items() if key.startswith(PART)}
    head = MODELS.build(MODEL.track_head)
    weights = seeded_state_dict(shapes, salt)
    head.load_state_dict({our_name(key): value for key, value in weights.items()})
    return head


class Step:
    """The recorded training step of the embedding head."""

    def __init__(self, recorded) -> None:
        self.arrays, meta = recorded.arrays(FILE), recorded.meta(FILE)
        self.norms = meta["head_grad_norms"]
        self.head = make_head(recorded.json("checkpoint_keys_frcnn.json"), meta["salt"])
        names = [key.removeprefix("head/") for key in self.arrays.files if key.startswith("head/")]
        pairs = [name.removeprefix("gt").split("_") for name in names if name.startswith("gt")]
        self.images = [(int(v), int(b)) for v, b in sorted(pairs, key=lambda at: at[::-1])]
        features = [key for key in self.norms["sum"] if key.startswith("feature_view")]
        height, width = meta["head"]["image_hw"]
        batch = len({b for _, b in self.images})
        self.feats = {}
        for name in features:
            view, stride = map(int, name.removeprefix("feature_view").split("_stride"))
            shape = (batch, self.head.in_channels, -(-height // stride), -(-width // stride))
            draw = normal(shape, meta["salt"], "head_feat", view, stride)
            self.feats[view, stride] = (meta["head"]["feature_scale"] * draw).requires_grad_()
        self.strides = sorted({stride for _, stride in self.feats})

    def array(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[f"head/{name}"])

    def sample(self) -> tuple[list[Tensor], list[Tensor]]:
        """Boxes of each image, and which of them show the same object, for each pair."""
        known = [
            sample_of(self.array(f"gt{v}_{b}"), self.array(f"track_ids{v}_{b}"))
            for v, b in self.images
        ]
        proposals = [InstanceData(bboxes=self.array(f"proposals{v}_{b}")) for v, b in self.images]
        boxes, _, targets = make_sampler().sample(proposals, known)
        return boxes, targets

    def embed(self, view: int, b: int, boxes: Tensor) -> Tensor:
        extractor = LevelRoIExtractor(
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=0),
            out_channels=self.head.in_channels,
            featmap_strides=self.strides,
        )
        feats = [self.feats[view, stride][b : b + 1] for stride in self.strides]
        return self.head(extractor(feats, bbox2roi([boxes])))


@pytest.fixture(scope="module")
def step(recorded) -> Step:
    return Step(recorded)


def close(found: Tensor, expected: Tensor, part: float = 1e-5) -> None:
    tolerance = part * float(expected.abs().max())
    torch.testing.assert_close(found.detach(), expected, rtol=0, atol=tolerance)


def test_a_training_step_of_the_embedding_head(step):
    boxes, targets = step.sample()
    embeds = []
    for (view, b), own in zip(step.images, boxes, strict=True):
        assert torch.equal(own, step.array(f"sampled_boxes{view}_{b}"))
        embeds.append(step.embed(view, b, own))
        close(embeds[-1], step.array(f"key_embeds{b}" if view == 0 else f"ref_embeds{b}"))
    for b, target in enumerate(targets):
        key, ref = (step.array(f"sampled_ids{view}_{b}") for view in range(2))
        assert torch.equal(target, key[:, None] == ref)
    losses = step.head.pair_loss(embeds[0::2], embeds[1::2], targets)
    close(losses["loss_track"], step.array("loss_track"))
    close(losses["loss_track_aux"], step.array("loss_aux"))

    weights = dict(step.head.named_parameters())
    leaves = [*weights.values(), *step.feats.values()]
    parts = [
        torch.autograd.grad(losses[name], leaves, retain_graph=True)
        for name in ("loss_track", "loss_track_aux")
    ]
    total = [track + aux for track, aux in zip(*parts, strict=True)]
    gradients = dict(zip([*weights, *step.feats], total, strict=True))
    expected = step.array("grad_fc_embed_weight")
    close(gradients["fc_embed.weight"][: len(expected)], expected)
    close(gradients["convs.0.gn.weight"], step.array("grad_conv0_gn_weight"))
    for term, own in zip(("track", "aux", "sum"), (*parts, total), strict=True):
        found = dict(zip([*weights, *step.feats], own, strict=True))
        for key, norm in step.norms[term].items():
            name = our_name(key)
            if key.startswith("feature_view"):
                name = tuple(map(int, key.removeprefix("feature_view").split("_stride")))
            assert found[name].norm().item() == pytest.approx(norm, rel=1e-4), (term, key)
