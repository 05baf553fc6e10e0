"""Pairs of images of one scene, with the identities of their objects."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import numpy as np
from mmcv.transforms.utils import cache_random_params
from mmdet.datasets import BaseDetDataset
from mmengine.dataset import Compose
from mmengine.logging import print_log
from torch.utils.data import Dataset

from ovtrack.datasets.archive import find_images, is_archive
from ovtrack.datasets.mixing import renumber
from vovtrack.datasets.views import draw_views, pack_views
from vovtrack.errors import InputError
from vovtrack.formats.coco import read_labelled, require_files
from vovtrack.formats.coco_videos import check_image
from vovtrack.registry import DATASETS, TRANSFORMS

_MAX_DRAWS = 1000


@DATASETS.register_module()
class ImagePairDataset(BaseDetDataset):
    """Key images of a CocoVID file, each with a reference image of the same video.

    The two views pass the pipeline independently and keep their instance ids, by which the model
    matches them. Images without a partner that shares an object are left out and counted in the
    log; a pair whose views lost their common objects in the pipeline is drawn again.

    ``data_prefix``: ``img`` is the folder of the images, or an HDF5 file of encoded ones; ``twins``
    (optional) holds generated images, a folder by base names or an HDF5 file: what it has is read
    from there.

    Args:
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.
            Labels balance the sampling and train nothing, so they need not be the model's.
        max_gap: The reference is at most this many frames away from the key.
        include_self: The key itself may be its own reference, in two different augmentations: a
            still, a video of one frame, always is. Otherwise stills are left out.
        archive_keys: How HDF5 files key their images, see
            :func:`~ovtrack.datasets.archive.archive_key`.
        **kwargs: Of mmengine's ``BaseDataset``. ``filter_cfg=dict(min_size=32)`` leaves out images
            of which a side is shorter.

    Raises:
        InputError: Broken file, an instance without id or with one that is not a whole number >= 0,
            an id twice in one image, images missing on disk, or no pair with an object in common.
    """

    def __init__(
        self,
        vocabulary: str | None = None,
        max_gap: int = 1,
        include_self: bool = False,
        archive_keys: str = "lvis",
        **kwargs,
    ) -> None:
        self._vocabulary_spec = vocabulary
        self.max_gap = max_gap
        self.include_self = include_self
        self.archive_keys = archive_keys
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the file; a key image without any partner is left out."""
        _, images = read_labelled(self.ann_file, self._vocabulary_spec)
        places = self._locate([image["file_name"] for image in images])
        records = [self._parse(image, places[image["file_name"]]) for image in images]
        paths = [record["img_path"] for record in records]
        require_files([path for path in paths if "://" not in path], self.ann_file)
        videos = defaultdict(list)
        for record in records:
            videos[record["video_id"]].append((record, _identities(record)))
        keys = [
            dict(record, references=self._references(record, videos[record["video_id"]]))
            for record in records
        ]
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

    def filter_data(self) -> list[dict]:
        """Leave out images of which a side is shorter than ``filter_cfg["min_size"]``."""
        min_size = (self.filter_cfg or {}).get("min_size", 0)
        keys = [key for key in self.data_list if min(key["width"], key["height"]) >= min_size]
        if not keys:
            raise InputError(f"'{self.ann_file}': no image has {min_size} pixels on each side.")
        return keys

    def _locate(self, names: Sequence[str]) -> dict[str, str]:
        """Path of each image, or its address in an HDF5 file."""
        root, twins = self.data_prefix["img"], self.data_prefix.get("twins")
        if is_archive(root):
            found = find_images(root, names, self.archive_keys)
        else:
            found = {name: os.path.join(root, name) for name in names}
        if twins:
            found |= find_images(twins, names, self.archive_keys)
        missing = [name for name in names if name not in found]
        if missing:
            raise InputError(
                f"{len(missing)} of {len(names)} images of '{self.ann_file}' are not in '{root}' "
                f"by archive_keys={self.archive_keys!r}, the first: '{missing[0]}'."
            )
        return found

    def _parse(self, image: dict, path: str) -> dict:
        check_image(image, self.ann_file)
        kept = ("bbox", "bbox_label", "ignore_flag", "instance_id")
        return dict(
            img_id=image["id"],
            img_path=path,
            height=image["height"],
            width=image["width"],
            video_id=image["video_id"],
            frame_id=image["frame_id"],
            instances=[{key: i[key] for key in kept} for i in image["instances"]],
        )

    def _references(self, key: dict, video: list[tuple[dict, set[int]]]) -> list[dict]:
        """Images near the key that show one of its objects."""
        near = [
            (other, ids)
            for other, ids in video
            if abs(other["frame_id"] - key["frame_id"]) <= self.max_gap
            and (other is not key or self.include_self)
        ]
        own = _identities(key)
        return [other for other, ids in near if own & ids]

    def prepare_data(self, idx: int) -> dict | None:
        """Pass key and reference through the pipeline; None if they share no object any more."""
        return pack_views([self.pipeline(view) for view in draw_views(self.get_data_info(idx))])


@DATASETS.register_module()
class MixedPairDataset(Dataset):
    """Pairs that are mixed with other pairs: key with keys, reference with references.

    The same other pairs are mixed into both views, so that the objects of the others match too.

    Args:
        dataset: Config of an :class:`ImagePairDataset`, a
            :class:`~vovtrack.datasets.video_dataset.VideoDataset` that picks references, or a
            ``ClassBalancedDataset`` or ``ConcatDataset`` of such; its own pipeline is not used.
        load: Transforms that read one view.
        mix: Transform of one view and as many others as its ``num_mixed`` says
            (:mod:`ovtrack.datasets.mixing`).
        pipeline: Transforms of the mixed view, the last one packs it. A mapping gives them names,
            by which other configs change one of them.
        num_references: Views besides the key.
        share_mix: All views are mixed by the same draws, instead of each by its own.
        require_match: Draw a pair again whose views have no object in common. False keeps it, as
            the released training of QDTrack does: its key image still trains a detector.
    """

    def __init__(
        self,
        dataset: dict,
        load: Sequence[dict],
        mix: dict,
        pipeline: Sequence[dict] | Mapping[str, dict],
        num_references: int = 1,
        share_mix: bool = False,
        require_match: bool = True,
    ) -> None:
        self.dataset = DATASETS.build(dataset)
        self.load = Compose(load)
        self.mix = TRANSFORMS.build(mix)
        self.pipeline = Compose(
            list(pipeline.values()) if isinstance(pipeline, Mapping) else pipeline
        )
        self.num_references = num_references
        self.share_mix = share_mix
        self.require_match = require_match
        self.metainfo = self.dataset.metainfo
        # Data workers see it, too.
        self._mixes = multiprocessing.Value("b", True)

    def stop_mixing(self) -> None:
        """From now on pass the views to the pipeline as they were read, in all data workers."""
        self._mixes.value = False

    def full_init(self) -> None:
        """Read the annotations, if the inner dataset has not yet."""
        self.dataset.full_init()

    def __len__(self) -> int:
        return len(self.dataset)

    def get_data_info(self, idx: int) -> dict:
        """Key image of an item, with its references."""
        return self.dataset.get_data_info(idx)

    def __getitem__(self, idx: int) -> dict:
        for _ in range(_MAX_DRAWS):
            item = self._prepare(idx)
            if item is not None:
                return item
            idx = np.random.randint(len(self))
        raise InputError(
            f"The views of {_MAX_DRAWS} pairs in a row have no object in common after the "
            "pipeline: check boxes, scale and min_gt_bbox_wh."
        )

    def _prepare(self, idx: int) -> dict | None:
        mixes = bool(self._mixes.value)
        others = np.random.randint(len(self), size=self.mix.num_mixed if mixes else 0)
        items = [self.get_data_info(i) for i in (idx, *others.tolist())]
        pairs = [draw_views(item, self.num_references) for item in items]
        with cache_random_params(self.mix) if self.share_mix else nullcontext():
            views = [self._view(images, mixes) for images in zip(*pairs, strict=True)]
        whole = [view for view in views if view is not None]
        if len(whole) < len(views):
            return None
        renumber(whole)
        return pack_views([self.pipeline(view) for view in whole], self.require_match)

    def _view(self, images: Sequence[dict], mixes: bool) -> dict | None:
        loaded = [self.load(image) for image in images]
        if any(view is None for view in loaded):
            return None
        if not mixes:
            return loaded[0]
        mixed = self.mix(dict(loaded[0], mix_results=loaded[1:]))
        del mixed["mix_results"]
        return mixed


def _identities(record: dict) -> set[int]:
    """Ids of the objects of an image; crowds are regions to ignore, not objects."""
    return {i["instance_id"] for i in record["instances"] if not i["ignore_flag"]}
