"""LVIS-style stills of which training sees the base classes only."""

from __future__ import annotations

import os
from typing import Literal

from mmdet.datasets import BaseDetDataset

from vovtrack.errors import InputError
from vovtrack.formats.coco import read_images, require_files
from vovtrack.registry import DATASETS
from vovtrack.structures import Vocabulary


@DATASETS.register_module()
class OpenVocabLVISDataset(BaseDetDataset):
    """Images with instances, labelled by their place in a vocabulary.

    Args:
        vocabulary: What :meth:`Vocabulary.load` takes; by default the categories of the file.
        visible: ``base`` hides novel instances, as open-vocabulary training must; ``all``
            shows them.
        **kwargs: Of mmengine's ``BaseDataset``: ``ann_file``, ``data_prefix`` (``img``),
            ``pipeline``, ``test_mode``, ...

    Raises:
        InputError: Broken annotation file, images missing on disk (listed), an unknown ``visible``
            or nothing to train on.
    """

    def __init__(
        self, vocabulary: str | None = None, visible: Literal["base", "all"] = "base", **kwargs
    ) -> None:
        if visible not in ("base", "all"):
            raise InputError(f"visible is {visible!r}, expected 'base' or 'all'.")
        self._vocabulary_spec = vocabulary
        self.visible = visible
        super().__init__(**kwargs)

    def load_data_list(self) -> list[dict]:
        """Read the file; images that show nothing are left out of training."""
        vocabulary = Vocabulary.load(self._vocabulary_spec or self.ann_file)
        self._metainfo["classes"] = vocabulary.names
        hidden = set(vocabulary.novel.nonzero()[0]) if self.visible == "base" else set()
        images = [
            dict(
                img_id=record["id"],
                img_path=os.path.join(self.data_prefix["img"], record["file_name"]),
                height=record["height"],
                width=record["width"],
                instances=[i for i in record["instances"] if i["bbox_label"] not in hidden],
            )
            for record in read_images(self.ann_file, vocabulary)
        ]
        images = [image for image in images if image["instances"] or self.test_mode]
        if not images:
            raise InputError(
                f"'{self.ann_file}': no image shows an instance of the visible classes "
                f"(visible={self.visible!r})."
            )
        require_files([image["img_path"] for image in images], self.ann_file)
        return images
