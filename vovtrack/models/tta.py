"""Test-time augmentation of detectors."""

from __future__ import annotations

from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample

from vovtrack.registry import MODELS


@MODELS.register_module()
class BoxTTAModel(DetTTAModel):
    """mmdet's ``DetTTAModel``, also for detectors with masks, which it leaves out.

    The boxes of all views, mirrored back, compete as those of one view do; see mmdet.

    Args:
        module: Config of the detector.
        tta_cfg: ``nms`` and ``max_per_img`` of the merged boxes.
    """

    def merge_preds(self, data_samples_list: list[list[DetDataSample]]) -> list[DetDataSample]:
        """Merge the views of each image; boxes in pixels of the original image."""
        for sample in (sample for views in data_samples_list for sample in views):
            sample.pred_instances.pop("masks", None)
        return super().merge_preds(data_samples_list)
