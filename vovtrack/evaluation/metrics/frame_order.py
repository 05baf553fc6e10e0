"""What metrics that read videos frame by frame insist on."""

from __future__ import annotations

from collections.abc import Mapping

from vovtrack.errors import InputError
from vovtrack.structures import Vocabulary


class FrameOrder:
    """Sees to it that frames come video by video, each from its first frame to its last."""

    def __init__(self) -> None:
        self._expected: tuple[int, int] | None = None

    def check(self, sample: Mapping) -> None:
        """Take the next frame: ``video_id``, ``frame_id``, ``video_length``.

        Raises:
            InputError: A tracker that saw only some frames, or saw them in disorder, has no valid
                results.
        """
        video, frame = sample["video_id"], sample["frame_id"]
        expected = self._expected or (video, 0)
        if (video, frame) != expected:
            raise InputError(
                f"Frame {frame} of video {video} came where frame {expected[1]} of video "
                f"{expected[0]} was expected: set test_dataloader.sampler.type to 'VideoSampler'."
            )
        self._expected = (video, frame + 1) if frame + 1 < sample["video_length"] else None


def check_classes(sample: Mapping, vocabulary: Vocabulary) -> None:
    """Make sure that the model that made ``sample`` used the classes of the evaluator.

    Raises:
        InputError: It did not.
    """
    if sample["vocabulary"] != vocabulary.fingerprint:
        raise InputError(
            "The model's classes differ from the evaluator's: set the same vocabulary in "
            "model.vocabulary and test_evaluator.vocabulary."
        )
