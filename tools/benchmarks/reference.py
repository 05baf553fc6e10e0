"""The published algorithm, step by step, for comparison only.

Regions pooled once per branch, suppression over all (region, class) pairs, distractors and
matching one detection at a time with a host read for each decision. Written from the description
of the method; nothing in the product uses it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi, scale_boxes
from mmengine.structures import InstanceData
from torch import Tensor
from torchvision.ops import box_iou, nms


@torch.no_grad()
def detect(model, feats: tuple[Tensor, ...], proposals: list, sample) -> tuple[Tensor, ...]:
    """Boxes, scores and labels of one image, as the published head computes them.

    Args:
        model: A detector with mmdet's own RoI extractor.
        feats: The maps that it pools from.
        proposals: Of the one image.
        sample: With ``img_shape`` and ``scale_factor``.
    """
    head = model.roi_head
    rois = bbox2roi([proposals[0].bboxes])
    extractor = head.bbox_roi_extractor
    text_feats = extractor(feats, rois)
    hidden, text = head.bbox_head.text_branch(text_feats)
    deltas = head.bbox_head.fc_reg(hidden)
    image_feats = extractor(feats, rois)
    image = head.bbox_head.image_branch(image_feats)[1]
    probabilities = fuse(head, text, image)
    scores = torch.softmax(probabilities, dim=1)[:, :-1]
    bboxes = head.bbox_head.bbox_coder.decode(rois[:, 1:], deltas, max_shape=sample.img_shape)
    bboxes = scale_boxes(bboxes, [1 / s for s in sample.scale_factor])
    return multiclass_nms(
        bboxes,
        scores,
        head.score_rule.uniform_factor / (scores.shape[1] + 1),
        head.test_cfg.nms.iou_threshold,
        head.test_cfg.max_per_img,
    )


def fuse(head, text: Tensor, image: Tensor) -> Tensor:
    """Fused probabilities by two plain softmaxes and powers."""
    bank = head.classifier.class_embeds()
    temperature = head.classifier.test_temperature
    p_text = torch.softmax(text @ bank.T / temperature, dim=1)
    logits = image @ bank.T / temperature
    logits[:, -1] = -1e11
    p_image = torch.softmax(logits, dim=1)
    w = head.text_weights
    return p_text**w * p_image ** (1 - w)


def multiclass_nms(
    bboxes: Tensor, scores: Tensor, score_thr: float, iou_thr: float, max_per_img: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Greedy suppression over all (region, class) pairs above the threshold."""
    num_classes = scores.shape[1]
    flat_scores = scores.reshape(-1)
    flat_bboxes = bboxes[:, None].expand(-1, num_classes, 4).reshape(-1, 4)
    labels = torch.arange(num_classes).repeat(len(bboxes))
    chosen = (flat_scores > score_thr).nonzero()[:, 0]
    kept = chosen[nms(flat_bboxes[chosen], flat_scores[chosen], iou_thr)][:max_per_img]
    return flat_bboxes[kept], flat_scores[kept], labels[kept]


class LoopTracker:
    """The association rule as nested Python loops over detections and a dict of tracks."""

    def __init__(self, match_thr: float, memo_frames: int, update_rate: float) -> None:
        self.match_thr, self.memo_frames, self.update_rate = match_thr, memo_frames, update_rate
        self.tracks: dict[int, dict] = {}
        self.num_issued = 0

    def update(self, bboxes: Tensor, scores: Tensor, embeds: Tensor, frame_id: int) -> list[int]:
        """Track ids of the detections that survive distractor removal."""
        # Without a class head the published model copies the embeddings in its place.
        cls_embeds = embeds.clone()
        valid = [True] * len(bboxes)
        ious = box_iou(bboxes, bboxes)
        for i in range(1, len(bboxes)):
            if float(scores[i]) < 0.5 and bool((ious[i, :i] > 0.3).any()):
                valid[i] = False
        keep = torch.tensor(valid)
        bboxes, scores, embeds = bboxes[keep], scores[keep], embeds[keep]
        cls_embeds = cls_embeds[keep]
        ids = torch.full((len(bboxes),), -1, dtype=torch.long)
        if self.tracks and len(bboxes):
            self._match(ids, scores, embeds)
        for i in range(len(ids)):
            if int(ids[i]) == -1 and float(scores[i]) > 1e-4:
                ids[i] = self.num_issued
                self.num_issued += 1
        self._remember(ids, bboxes, embeds, cls_embeds, frame_id)
        return ids.tolist()

    def _memory(self) -> dict[str, Tensor]:
        """All that is remembered, gathered track by track for every frame."""
        columns: dict[str, list[Tensor]] = {"bboxes": [], "embeds": [], "cls_embeds": []}
        for track in self.tracks.values():
            columns["bboxes"].append(track["bboxes"][-1][None])
            columns["embeds"].append(track["embed"][None])
            columns["cls_embeds"].append(track["cls_embed"][None])
        return {name: torch.cat(values) for name, values in columns.items()}

    def _match(self, ids: Tensor, scores: Tensor, embeds: Tensor) -> None:
        memo_ids = torch.tensor(list(self.tracks))
        memory = self._memory()["embeds"]
        exp = torch.exp(embeds @ memory.T)
        d2t = exp / (exp.sum(dim=1, keepdim=True) + 1e-6)
        t2d = exp / (exp.sum(dim=0, keepdim=True) + 1e-6)
        cosine = F.normalize(embeds, dim=1) @ F.normalize(memory, dim=1).T
        match = ((d2t + t2d) / 2 + cosine) / 2
        for i in range(len(scores)):
            if float(scores[i]) < 1e-4:
                continue
            best, column = torch.max(match[i], dim=0)
            if float(best) > self.match_thr:
                ids[i] = memo_ids[column]
                match[:i, column] = 0
                match[i + 1 :, column] = 0

    def _remember(
        self, ids: Tensor, bboxes: Tensor, embeds: Tensor, cls_embeds: Tensor, frame_id: int
    ) -> None:
        for track_id, bbox, embed, cls_embed in zip(ids, bboxes, embeds, cls_embeds, strict=True):
            key = int(track_id)
            if key in self.tracks:
                track = self.tracks[key]
                rate = self.update_rate
                track["embed"] = (1 - rate) * track["embed"] + rate * embed
                track["cls_embed"] = cls_embed
                track["bboxes"].append(bbox)
                track["frames"].append(frame_id)
            elif key > -1:
                self.tracks[key] = dict(
                    embed=embed, cls_embed=cls_embed, bboxes=[bbox], frames=[frame_id]
                )
        lost = [k for k, v in self.tracks.items() if frame_id - v["frames"][-1] >= self.memo_frames]
        for key in lost:
            del self.tracks[key]


class QuasiDenseLoop:
    """QDTrack's association, one detection and one track at a time."""

    def __init__(self, init_thr: float, obj_thr: float) -> None:
        self.init_thr, self.obj_thr = init_thr, obj_thr
        self.tracks: dict[int, dict] = {}
        self.backdrops: list[dict] = []
        self.num_issued = 0

    def update(self, found: InstanceData, frame_id: int) -> dict[int, int]:
        """Which detection (row) each track of the frame is."""
        order = found.scores.sort(descending=True, stable=True).indices
        ious = box_iou(found.bboxes[order], found.bboxes[order])
        kept = []
        for i in range(len(order)):
            limit = 0.3 if float(found.scores[order[i]]) < self.obj_thr else 0.7
            if i == 0 or not bool((ious[i, :i] > limit).any()):
                kept.append(i)
        ious, rows = ious[kept][:, kept], order[kept]
        scores, labels, embeds = found.scores[rows], found.labels[rows], found.embeds[rows]
        ids = torch.full((len(rows),), -1, dtype=torch.long)
        if self.tracks and len(rows):
            self._match(ids, scores, labels, embeds)
        for i in range(len(ids)):
            if int(ids[i]) == -1 and float(scores[i]) > self.init_thr:
                ids[i] = self.num_issued
                self.num_issued += 1
        self._remember(ids, labels, embeds, ious, frame_id)
        return {int(own): int(row) for own, row in zip(ids, rows, strict=True) if own > -1}

    def _match(self, ids: Tensor, scores: Tensor, labels: Tensor, embeds: Tensor) -> None:
        memo_ids = torch.tensor([*self.tracks, *(-1 for _ in self.backdrops)])
        memory = [*self.tracks.values(), *self.backdrops]
        products = embeds @ torch.stack([entry["embed"] for entry in memory]).T
        affinity = (products.softmax(dim=1) + products.softmax(dim=0)) / 2
        affinity = affinity * (labels[:, None] == torch.stack([e["label"] for e in memory])).float()
        for i in range(len(scores)):
            best, column = torch.max(affinity[i], dim=0)
            if float(best) <= 0.5 or int(memo_ids[column]) < 0:
                continue
            if float(scores[i]) > self.obj_thr:
                ids[i] = memo_ids[column]
                affinity[:i, column] = 0
                affinity[i + 1 :, column] = 0
            elif float(best) > 0.5:
                ids[i] = -2

    def _remember(
        self, ids: Tensor, labels: Tensor, embeds: Tensor, ious: Tensor, frame_id: int
    ) -> None:
        self.backdrops = []
        for i in range(len(ids)):
            key, entry = int(ids[i]), dict(label=labels[i], embed=embeds[i], frame=frame_id)
            if key in self.tracks:
                entry["embed"] = 0.2 * self.tracks[key]["embed"] + 0.8 * embeds[i]
            if key > -1:
                self.tracks[key] = entry
            elif key == -1 and not bool((ious[i, :i] > 0.3).any()):
                self.backdrops.append(entry)
        for key in [k for k, track in self.tracks.items() if frame_id - track["frame"] >= 10]:
            del self.tracks[key]
