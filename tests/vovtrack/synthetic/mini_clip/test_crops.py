import numpy as np
import pytest
import torch

from vovtrack.errors import InputError
from vovtrack.models.clip.encoder import CLIP_MEAN, CLIP_STD
from vovtrack.synthetic.mini_clip.crops import cut_crop, render_crops
from vovtrack.synthetic.mini_clip.views import augment, centre_view
from vovtrack.synthetic.states import STATES

STD, MEAN = torch.tensor(CLIP_STD)[:, None, None], torch.tensor(CLIP_MEAN)[:, None, None]


@pytest.fixture(scope="module")
def crops():
    return render_crops(seed=3, scenes=4)


class TestRendering:
    def test_training_shows_no_novel_class(self, crops):
        assert len(crops.labels) > 20 and not crops.novel[crops.labels].any()
        shown = render_crops(seed=3, scenes=2, novel_share=1.0)
        assert shown.novel[shown.labels].any()

    def test_same_seed_same_crops_whatever_the_workers(self, crops):
        again = render_crops(seed=3, scenes=4, workers=2)
        for name in ("images", "labels", "states"):
            assert torch.equal(getattr(crops, name), getattr(again, name))
        other = render_crops(seed=4, scenes=4)
        assert crops.images.shape != other.images.shape or not torch.equal(
            crops.images, other.images
        )

    def test_masks_cover_the_middle_of_clear_objects(self, crops):
        clear = crops.states[:, STATES.index("clear")]
        masks = crops.images[clear, 3].float() / 255
        inner = masks[:, 13:59, 13:59].mean(dim=(1, 2))  # 72 / 1.6 = 45 pixels in the middle
        assert inner.min() > 0.15 and inner.mean() > 0.4
        assert masks[:, :9].max() == 0 and masks[:, :, -9:].max() == 0

    def test_every_crop_has_states_and_clear_stands_alone(self, crops):
        clear, others = crops.states[:, 0], crops.states[:, 1:].any(dim=1)
        assert torch.equal(clear, ~others)

    @pytest.mark.parametrize("wrong", [{"seed": -1}, {"scenes": 0}, {"workers": 0}])
    def test_numbers_out_of_range(self, wrong):
        name = next(iter(wrong))
        with pytest.raises(InputError, match=f"{name} must be"):
            render_crops(**{"seed": 0, "scenes": 1, **wrong})


class TestViews:
    def test_box_is_centred_and_fills_its_share(self):
        image, mask = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60), np.uint8)
        image[10:26, 30:46, 0] = mask[10:26, 30:46] = 255
        crop = torch.from_numpy(cut_crop(image, mask, (30, 10, 46, 26), 80)).permute(2, 0, 1)
        for channel in (0, 3):
            inside = crop[channel] > 127
            rows, columns = inside.any(dim=1).nonzero()[:, 0], inside.any(dim=0).nonzero()[:, 0]
            for side in (rows, columns):  # 80 / 1.6 = 50 pixels in the middle
                assert abs(int(side[0]) - 15) <= 1 and abs(int(side[-1]) - 64) <= 1
        view = centre_view(crop[None], 44)[0, 0] * CLIP_STD[0] + CLIP_MEAN[0]
        red = view > 0.5  # 44 / 1.1 = 40 pixels in the middle
        assert abs(int(red.any(dim=0).sum()) - 40) <= 1 and red[22, 22]

    def test_cut_out_objects_stand_on_one_colour(self):
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (8, 4, 72, 72), generator=generator, dtype=torch.uint8)
        images[:, 3] = 0
        images[:, 3, 24:48, 24:48] = 255
        views = augment(images, 64, generator, cut_out=1.0) * STD + MEAN
        corners = views[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners - corners[..., :1]).abs().max() < 1e-5
        assert views[:, :, 28:36, 28:36].std(dim=(2, 3)).min() > 0.05
        whole = augment(images, 64, generator) * STD + MEAN
        assert whole[:, :, :8, :8].std(dim=(2, 3)).min() > 0.02

    def test_dark_stays_dark(self):
        images = torch.full((64, 4, 8, 8), 100, dtype=torch.uint8)
        views = augment(images, 8, torch.Generator().manual_seed(0)) * STD + MEAN
        assert abs(float(views.mean()) - 100 / 255) < 0.02
        assert views.min() > 0.75 * 100 / 255 and views.max() < 1.25 * 100 / 255
