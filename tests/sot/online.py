"""The online trackers of the recordings: their networks, settings, draws and frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.lib.npyio import NpzFile
from torch import Tensor

from tests.recorded import Recorded
from tests.sot.networks import build, seeded
from vovtrack.sot.first_views import Draw
from vovtrack.sot.keep_track import KeepTrackTracker
from vovtrack.sot.models.dimp import DiMP
from vovtrack.sot.models.keys import DIMP_KEYS
from vovtrack.sot.online import DiMPTracker

VIDEO = "online_video.npz"


def network(recorded: Recorded, name: str) -> DiMP:
    """With statistics of the video, and an optimiser as it is constructed.

    Of KeepTrack's own file only its own part is taken.
    """
    if name == "keep_track":
        model = seeded(recorded, name)
        model.load_state_dict(network(recorded, "super_dimp_simple").state_dict(), strict=False)
        return model
    model = calibrated(recorded, seeded(recorded, name))
    model.classifier.filter_optimizer = build(name).classifier.filter_optimizer
    return model.eval()


def calibrated(recorded: Recorded, model: Any) -> Any:
    """A network whose backbone has the statistics of the video."""
    video = recorded.arrays(VIDEO)
    found = {key: torch.from_numpy(video[key]) for key in video.files if key.startswith("bn/")}
    norms = {key.removeprefix("bn/"): value for key, value in found.items()}
    DIMP_KEYS.apply(norms)
    assert not model.load_state_dict(norms, strict=False).unexpected_keys
    return model


def arguments(params: Mapping[str, Any]) -> dict[str, Any]:
    """Of the tracker, from the original's parameters."""
    augmentation = params["augmentation"]
    matched = "local_max_candidate_score_th" in params
    copies, share = augmentation.get("dropout", (0, 0.0))
    return dict(
        side=params["image_sample_size"],
        extent=params["search_area_scale"],
        border=params.get("border_mode", "replicate"),
        max_shrink=params.get("patch_max_scale_change"),
        localization=dict(
            not_found=params["target_not_found_threshold"],
            distractor=params["distractor_threshold"],
            hard_negative=params["hard_negative_threshold"],
            neighbourhood=params["target_neighborhood_scale"],
            displacement=params["dispalcement_scale"],
        ),
        views=dict(
            expansion=params["augmentation_expansion_factor"],
            shifts=tuple(augmentation.get("relativeshift", ())),
            flip=augmentation.get("fliplr", False),
            blurs=tuple(augmentation.get("blur", ())),
            rotations=tuple(augmentation.get("rotate", ())),
            random_shift=params["random_shift_factor"],
            dropouts=copies,
            dropout=share,
        ),
        learning=dict(
            memory=params["sample_memory_size"],
            least_initial=params["init_samples_minimum_weight"],
            rate=params["learning_rate"],
            hard_negative_rate=params["hard_negative_learning_rate"],
            first_steps=params["net_opt_iter"],
            every=params["train_skipping"],
            steps=params["net_opt_update_iter"],
            hard_negative_steps=params["net_opt_hn_iter"],
            **(_of_samples(params) if matched else {}),
        ),
        refinement=dict(
            random_boxes=params["num_init_random_boxes"],
            jitter_position=params["box_jitter_pos"],
            jitter_size=params["box_jitter_sz"],
            steps=params["box_refinement_iter"],
            step_length=params["box_refinement_step_length"],
            relative=params.get("box_refinement_space", "default") == "relative",
            best=params["iounet_k"],
            max_aspect=params["maximal_aspect_ratio"],
            # Whole maps, as the original: where a ReLU is near 0 the last digit moves a box.
            reach=math.inf,
        ),
        **(
            dict(candidates=dict(threshold=params["local_max_candidate_score_th"]))
            if matched
            else {}
        ),
    )


def _of_samples(params: Mapping[str, Any]) -> dict[str, Any]:
    """What KeepTrack's filter learns from besides: a fixed label, and what is certain."""
    sigma = 1 / 4 / params["search_area_scale"]
    return dict(label_sigma=sigma, least_certainty=params["certainty_for_weight_computation_ths"])


class RecordedTracker(DiMPTracker):
    """A tracker whose draws are those of a recording."""

    def __init__(self, model: DiMP, arrays: NpzFile, params: Mapping[str, Any]) -> None:
        self.arrays = arrays
        super().__init__(model, **arguments(params))

    def draws(self, track_id: int) -> Draw:
        """In the order in which the original drew; kept channels as draws of 0 or 1."""
        names = [f"draws_boxes{t}" for t in range(1, 1 + len(self.arrays["state"]))]
        return self._given(["draws_init", "dropout_keep", *names])

    def fork(self, other: DiMPTracker) -> RecordedTracker:
        """Follow, from here on, the target that another tracker has learned."""
        classifier = self.model.classifier
        self.followed = deepcopy(other.followed, {id(classifier): classifier})
        self.frame_id, self._size = other.frame_id, other._size
        for target in self.followed.values():
            target.draw = self.draws(0)
            for name in ("draws_init", "dropout_keep"):
                target.draw(*self.arrays[name].shape)
        return self

    def _given(self, names: list[str]) -> Draw:
        def values() -> Iterator[Tensor]:
            for name in names:
                if name in self.arrays.files:
                    yield torch.from_numpy(self.arrays[name].astype(np.float32))

        left = values()

        def draw(*shape: int) -> Tensor:
            given = next(left)
            assert given.shape == shape
            return given

        return draw


class RecordedKeepTrack(RecordedTracker, KeepTrackTracker):
    """The same of KeepTrack."""
