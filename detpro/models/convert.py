"""Key names of released DetPro checkpoints, translated to ours."""

from __future__ import annotations

from torch import Tensor

RENAMED_PREFIXES = {
    "roi_head.bbox_head.shared_convs.": "roi_head.bbox_head.text_branch.convs.",
    "roi_head.bbox_head.shared_fcs.0.": "roi_head.bbox_head.text_branch.fc.",
    "roi_head.projection.": "roi_head.bbox_head.text_branch.proj.",
    "roi_head.bbox_head.shared_convs_for_image.": "roi_head.bbox_head.image_branch.convs.",
    "roi_head.bbox_head.shared_fcs_for_image.0.": "roi_head.bbox_head.image_branch.fc.",
    "roi_head.projection_for_image.": "roi_head.bbox_head.image_branch.proj.",
    "roi_head.bg_embedding.": "roi_head.classifier.background.",
}
DROPPED_PREFIXES = ("roi_head.clip_model.",)
"""Released checkpoints carry a whole CLIP, which no detector reads."""


def rename_keys(
    state_dict: dict[str, Tensor], renamed: dict[str, str], dropped: tuple[str, ...] = ()
) -> None:
    """Rename keys by prefix and drop others, in place. Keys without such a prefix stay."""
    for key in list(state_dict):
        if key.startswith(dropped):
            del state_dict[key]
            continue
        for old, new in renamed.items():
            if key.startswith(old):
                state_dict[new + key[len(old) :]] = state_dict.pop(key)
                break


def convert_detector_keys(state_dict: dict[str, Tensor]) -> None:
    """Translate the key names of a DetPro detector, in place; ours pass unchanged."""
    rename_keys(state_dict, RENAMED_PREFIXES, DROPPED_PREFIXES)
