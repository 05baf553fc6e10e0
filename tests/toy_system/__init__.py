"""A whole system: a tracker that finds one box, at the same place of every frame.

A real one has ``models/``, ``online.py`` and ``system.py``, and plugs in the same way: its configs
import it and name its parts, and importing it declares what no config can say.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torchvision.ops import box_iou

from vovtrack.datasets.frame_pipeline import FramePipeline
from vovtrack.engine.old_options import OldOptions
from vovtrack.engine.online import OnlineTracker
from vovtrack.engine.systems import System, declare
from vovtrack.engine.weights.conversion import Layout
from vovtrack.engine.weights.key_map import KeyMap
from vovtrack.registry import DATASETS, METRICS, MODELS, TASK_UTILS
from vovtrack.structures import Target, Tracks


@MODELS.register_module()
class ConstantBox(BaseModel):
    """The place of its box, in parts of the image, is its only weight."""

    def __init__(self, score: float = 1.0) -> None:
        super().__init__()
        self.score = score
        self.place = torch.nn.Parameter(torch.zeros(4))

    def forward(self, inputs: list, data_samples: list, mode: str = "predict") -> list:
        for sample in data_samples:
            size = self.place.new_tensor([*sample.ori_shape[::-1]] * 2)
            found = InstanceData(
                bboxes=self.place[None] * size, scores=size.new_tensor([self.score])
            )
            sample.pred_track_instances = found.detach()
        return data_samples


@TASK_UTILS.register_module()
class ToyOnlineTracker(OnlineTracker):
    """Streams frames through the model; what it finds is a "thing"."""

    names = ("thing",)

    def __init__(self, model: ConstantBox, pipeline: FramePipeline) -> None:
        self.model, self.pipeline = model, pipeline
        self.start(None)

    def start(self, frame: np.ndarray | None, target: Target | None = None) -> None:
        (target or Target()).only("The toy tracker")
        self.frame_id = -1

    def step(self, frame: np.ndarray) -> Tracks:
        self.frame_id += 1
        view = self.pipeline(frame[..., ::-1])
        sample = self.model.test_step({name: [value] for name, value in view.items()})[0]
        found, first = sample.pred_track_instances.numpy(), np.zeros(1, dtype=np.int64)
        return Tracks(self.frame_id, found.bboxes, first, first, found.scores, self.names)


@DATASETS.register_module()
def blank_frames(length: int, pipeline: list[dict]) -> list[dict]:
    """Black images of 64 x 48 pixels."""
    image, prepare = np.zeros((48, 64, 3), dtype=np.uint8), Compose(pipeline)
    return [prepare(dict(img=image, img_shape=(48, 64), ori_shape=(48, 64)))] * length


@METRICS.register_module()
class ConstantBoxMetric(BaseMetric):
    """Mean IoU with a box (x1, y1, x2, y2), in pixels."""

    default_prefix, judges = "toy", ("place",)

    def __init__(self, box: tuple[float, ...]) -> None:
        super().__init__()
        self.box = torch.tensor([box])

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        found = (sample["pred_track_instances"]["bboxes"] for sample in data_samples)
        self.results += [box_iou(boxes, self.box).item() for boxes in found]

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {"iou": float(np.mean(results))}


LAYOUT = Layout(
    name="toy",
    what="toy tracker",
    keys=KeyMap(renamed={"toy.": ""}),
    marks=("toy.place", "place"),
    config=str(Path(__file__).with_name("config.py")),
)
OLD_OPTIONS = OldOptions(renamed={"model.confidence": ("model.score",)})
declare(System(package=__name__, layouts=(LAYOUT,), old_options=OLD_OPTIONS))
