"""From images as they were read to the input of a network."""

from __future__ import annotations

from mmdet.models.data_preprocessors import DetDataPreprocessor

from vovtrack.registry import MODELS


@MODELS.register_module()
class ImagePreprocessor(DetDataPreprocessor):
    """mmdet's preprocessor, for which the host does not wait.

    That one turns BGR into RGB by a list of indices, which is sent to the device for each image.

    Args:
        non_blocking: Whether images are copied to the device while the host resumes.
        **kwargs: Of mmdet's ``DetDataPreprocessor``: ``mean``, ``std``, ``bgr_to_rgb``, ...
    """

    _channel_conversion: bool

    def __init__(self, non_blocking: bool = True, **kwargs) -> None:
        super().__init__(non_blocking=non_blocking, **kwargs)
        self._turns_colours = self._channel_conversion
        self._channel_conversion = False

    def forward(self, data: dict, training: bool = False) -> dict:
        """Move, normalise and pad images, see mmdet's ``DetDataPreprocessor``.

        Args:
            data: ``inputs``, B images (3, h, w) or one tensor (B, 3, h, w), and ``data_samples``.
            training: Whether to apply the batch augmentations.
        """
        inputs = self.cast_data(data["inputs"])
        if self._turns_colours:
            whole = hasattr(inputs, "flip")
            inputs = inputs.flip(-3) if whole else [image.flip(-3) for image in inputs]
        return super().forward({**data, "inputs": inputs}, training)
