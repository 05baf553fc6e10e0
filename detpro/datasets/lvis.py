"""LVIS-style stills of which training sees the base classes only."""

from __future__ import annotations

import os
from typing import Literal

from mmdet.datasets import BaseDetDataset
from mmengine.logging import print_log

from detpro.datasets.region_features import LoadRegionFeatures
from vovtrack.errors import InputError, one_of
from vovtrack.formats.coco import read_labelled, require_files
from vovtrack.registry import DATASETS


@DATASETS.register_module()
class OpenVocabLVISDataset(BaseDetDataset):
    """Images with instances, labelled by their place in a vocabulary.

    Args:
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.
        visible: ``base`` hides novel instances, as open-vocabulary training must; ``all``
            shows them.
        min_side: Training leaves out images with a shorter side, in pixels.
        balance_by: Categories by which ``ClassBalancedDataset`` repeats an image: ``all`` that
            are annotated in it, novel ones included, as the released training does (so images of
            novel objects are shown more often although their labels are hidden); ``base``, those
            that are visible; ``kept``, those of the instances that training sees.
        **kwargs: Of mmengine's ``BaseDataset``: ``ann_file``, ``data_prefix`` (``img``),
            ``pipeline``, ``test_mode``, ...

    Raises:
        InputError: Broken annotation file, images missing on disk (listed), an unknown ``visible``
            or ``balance_by``, or nothing to train on.
    """

    def __init__(
        self,
        vocabulary: str | None = None,
        visible: Literal["base", "all"] = "base",
        min_side: int = 32,
        balance_by: Literal["all", "base", "kept"] = "kept",
        **kwargs,
    ) -> None:
        one_of("visible", visible, ("base", "all"))
        one_of("balance_by", balance_by, ("all", "base", "kept"))
        self._vocabulary_spec = vocabulary
        self.visible = visible
        self.min_side = min_side
        self.balance_by = balance_by
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the file; images without a visible annotation are left out of training."""
        vocabulary, records = read_labelled(self.ann_file, self._vocabulary_spec)
        self._metainfo["classes"] = vocabulary.names
        novel = set(vocabulary.novel.nonzero()[0])
        shown = {
            category
            for label, category in enumerate(vocabulary.category_ids)
            if self.visible == "all" or label not in novel
        }
        images = [
            self._parse(record, shown, set() if self.visible == "all" else novel)
            for record in records
        ]
        if not self.test_mode:
            images = [
                image
                for image in images
                if shown & set(image["category_ids"])
                and min(image["height"], image["width"]) >= self.min_side
            ]
            if self.visible == "base":
                images.sort(key=lambda image: image["img_id"])
        if not images:
            raise InputError(
                f"'{self.ann_file}': no image shows an instance of the visible classes "
                f"(visible={self.visible!r})."
            )
        require_files([image["img_path"] for image in images], self.ann_file)
        self._check_features([image["img_id"] for image in images])
        return images

    def _check_features(self, image_ids: list[int]) -> None:
        """Tell before training which images a feature bank of the pipeline lacks."""
        for transform in self.pipeline.transforms:
            if isinstance(transform, LoadRegionFeatures) and not self.test_mode:
                missing = transform.check_images(image_ids)
                if missing:
                    print_log(
                        f"{missing} of {len(image_ids)} images of '{self.ann_file}' have no "
                        f"region features (on_missing={transform.on_missing!r}).",
                        logger="current",
                    )

    def _parse(self, record: dict, shown: set[int], hidden: set[int]) -> dict:
        instances = [i for i in record["instances"] if i["bbox_label"] not in hidden]
        found = {
            "all": record["category_ids"],
            "base": [c for c in record["category_ids"] if c in shown],
            "kept": sorted({i["bbox_label"] for i in instances if not i["ignore_flag"]}),
        }[self.balance_by]
        return dict(
            img_id=record["id"],
            img_path=os.path.join(self.data_prefix["img"], record["file_name"]),
            height=record["height"],
            width=record["width"],
            instances=instances,
            category_ids=record["category_ids"],
            balance_ids=found,
        )

    def get_cat_ids(self, idx: int) -> list[int]:
        """Categories by which ``ClassBalancedDataset`` counts the image."""
        return self.get_data_info(idx)["balance_ids"]
