"""The networks of a detector as graphs of their own, for other programs.

* ``maps``: an image (B, 3, H, W), normalised, to the feature maps of the pyramid and the proposal
  network's scores and deltas on each;
* ``regions``: pooled regions (N, C, S, S) and class embeddings (K, D), the last one for
  background, to box deltas, unit embeddings of the text and the image branch, and both logits.

``class_embeds.safetensors`` holds the embeddings of the classes that were set, and as
``context_embeds`` those of names that compete without being reported: append them to the classes,
and count their share of the softmax as background.
"""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

from detpro.models.detector import OpenVocabDetector
from vovtrack.engine.weights.export import Export, Graph, Tensors

NUM_REGIONS = 6


class _Maps(nn.Module):
    def __init__(self, model: OpenVocabDetector) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.model.extract_feat(image)
        scores, deltas = self.model.rpn_head(maps)
        return (*maps, *scores, *deltas)


class _Regions(nn.Module):
    def __init__(self, model: OpenVocabDetector) -> None:
        super().__init__()
        self.head = model.roi_head.bbox_head
        self.temperature = float(model.roi_head.classifier.test_temperature)

    def forward(self, regions: Tensor, class_embeds: Tensor) -> tuple[Tensor, ...]:
        found = self.head(regions)
        image = found.text_embeds if found.image_embeds is None else found.image_embeds
        weights = (class_embeds / self.temperature).T
        logits = (found.text_embeds @ weights, image @ weights)
        return (found.bbox_pred, found.text_embeds, image, *logits)


def export_detector(model: OpenVocabDetector, size: tuple[int, int]) -> Export:
    """The networks of a detector with inputs to try them on, and the embeddings of its classes.

    Args:
        model: An open-vocabulary detector in two stages.
        size: (height, width) of the example image.
    """
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, *size, generator=generator)
    extractor = model.roi_head.bbox_roi_extractor
    side = extractor.roi_layers[0].output_size[0]
    shape = (NUM_REGIONS, extractor.out_channels, side, side)
    regions = torch.randn(shape, generator=generator)
    levels = model.neck.num_outs
    classifier = model.roi_head.classifier
    embeds = {"class_embeds": classifier.class_embeds().contiguous()}
    if classifier.competitors:
        embeds["context_embeds"] = classifier.context_embeds().contiguous()
    graphs = (
        Graph(
            "maps",
            _Maps(model),
            {"image": image},
            tuple(f"{kind}{k}" for kind in ("map", "score", "delta") for k in range(levels)),
            {"image": {0: "batch", 2: "height", 3: "width"}},
        ),
        Graph(
            "regions",
            _Regions(model),
            {"regions": regions, "class_embeds": classifier.class_embeds()},
            ("bbox_pred", "text_embeds", "image_embeds", "text_logits", "image_logits"),
            {"regions": {0: "regions"}, "class_embeds": {0: "classes"}},
        ),
    )
    names = json.dumps(list(classifier.vocabulary.names))
    return Export(
        graphs,
        [Tensors("class_embeds", embeds, {"names": names})],
        {
            "classes": len(classifier.vocabulary),
            "temperature": float(classifier.test_temperature),
        },
    )
