"""Pairs of images of one scene, with the identities of their objects."""

from __future__ import annotations

import os
from collections import defaultdict

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmdet.datasets.transforms import PackDetInputs
from mmengine.logging import print_log
from mmengine.registry import FUNCTIONS

from vovtrack.errors import InputError
from vovtrack.formats.coco import read_images, require_files
from vovtrack.registry import DATASETS, TRANSFORMS
from vovtrack.structures import Vocabulary


@DATASETS.register_module()
class ImagePairDataset(BaseDetDataset):
    """Key images of a CocoVID file, each with a reference image of the same video.

    The two views pass the pipeline independently and keep their instance ids, by which the model
    matches them: never by position. Images without a partner that shares an object are left out
    and counted in the log; a pair whose views lost their common objects in the pipeline is drawn
    again.

    Args:
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.
        max_gap: The reference is at most this many frames away from the key.
        **kwargs: Of mmengine's ``BaseDataset``.

    Raises:
        InputError: Broken file, an instance without id, an id twice in one image, images missing
            on disk, or no pair with an object in common.
    """

    def __init__(self, vocabulary: str | None = None, max_gap: int = 1, **kwargs) -> None:
        self._vocabulary_spec = vocabulary
        self.max_gap = max_gap
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the file; a key image without any partner is left out."""
        vocabulary = Vocabulary.load(self._vocabulary_spec or self.ann_file)
        self._metainfo["classes"] = vocabulary.names
        records = [self._parse(record) for record in read_images(self.ann_file, vocabulary)]
        require_files([record["img_path"] for record in records], self.ann_file)
        videos = defaultdict(list)
        for record in records:
            videos[record["video_id"]].append(record)
        keys = [dict(r, references=self._references(r, videos[r["video_id"]])) for r in records]
        keys = [key for key in keys if key["references"]]
        if not keys:
            raise InputError(
                f"'{self.ann_file}' has no two images of one video that share an object."
            )
        if len(keys) < len(records):
            print_log(
                f"'{self.ann_file}': {len(records) - len(keys)} of {len(records)} images are left "
                f"out, because no image within {self.max_gap} frames shares an object.",
                logger="current",
            )
        return keys

    def _parse(self, record: dict) -> dict:
        place = f"'{self.ann_file}': image {record['id']}"
        for key in ("video_id", "frame_id"):
            if key not in record:
                raise InputError(f"{place} lacks the key '{key}': expected a CocoVID file.")
        if any("instance_id" not in instance for instance in record["instances"]):
            raise InputError(f"{place}: an annotation lacks the key 'instance_id'.")
        ids = [instance["instance_id"] for instance in record["instances"]]
        if len(set(ids)) < len(ids):
            raise InputError(f"{place}: two annotations have the same 'instance_id'.")
        return dict(
            img_id=record["id"],
            img_path=os.path.join(self.data_prefix["img"], record["file_name"]),
            height=record["height"],
            width=record["width"],
            video_id=record["video_id"],
            frame_id=record["frame_id"],
            instances=record["instances"],
        )

    def _references(self, key: dict, video: list[dict]) -> list[dict]:
        """Other images near the key that show one of its objects."""
        ids = _identities(key)
        return [
            other
            for other in video
            if 0 < abs(other["frame_id"] - key["frame_id"]) <= self.max_gap
            and ids & _identities(other)
        ]

    def prepare_data(self, idx: int) -> dict | None:
        """Pass key and reference through the pipeline; None if they share no object any more."""
        key = self.get_data_info(idx)
        references = key.pop("references")
        reference = references[np.random.randint(len(references))]
        views = [self.pipeline(dict(view)) for view in (key, reference)]
        if any(view is None for view in views):
            return None
        key_ids, reference_ids = (v["data_samples"].gt_instances.instances_ids for v in views)
        if not set(key_ids.tolist()) & set(reference_ids.tolist()):
            return None
        return {name: [view[name] for view in views] for name in ("inputs", "data_samples")}


def _identities(record: dict) -> set[int]:
    """Ids of the objects of an image; crowds are regions to ignore, not objects."""
    return {i["instance_id"] for i in record["instances"] if not i["ignore_flag"]}


@TRANSFORMS.register_module()
class PackIdentityInputs(PackDetInputs):
    """mmdet's ``PackDetInputs`` that also packs ``gt_instances.instances_ids``."""

    mapping_table = dict(PackDetInputs.mapping_table, gt_instances_ids="instances_ids")


@FUNCTIONS.register_module()
def pair_collate(pairs: list[dict]) -> dict:
    """Collate B pairs into flat lists of 2B images and samples: key, reference, key, ..."""
    return {name: [view for pair in pairs for view in pair[name]] for name in pairs[0]}
