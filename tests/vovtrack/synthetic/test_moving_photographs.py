"""Moving photographs: what is said of the pixels is what the pixels show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.synthetic.albums import packaged_album
from vovtrack.synthetic.dials import Dials
from vovtrack.synthetic.moving_photographs import MovingPhotographs, PhotoRecipe
from vovtrack.synthetic.truth import BACKGROUND, SurfacePoints

ALBUM = packaged_album("test")
CLEAR = PhotoRecipe(num_frames=24, noise=0, dials=Dials(drift=0, blur=0))


def video(seed: int, recipe: PhotoRecipe = CLEAR) -> MovingPhotographs:
    return MovingPhotographs(np.random.default_rng(seed), ALBUM, recipe)


def misplaced(image, seen, picture, motion) -> np.ndarray | None:
    """How far, in pixels of its own, a picture lies from where ``motion`` says, by least squares.

    Linearised registration (Lucas and Kanade 1981) over the pixels where it is seen, with a gain
    for each channel. None where there are too few of them.
    """
    # A pixel beside another surface is mixed with it.
    seen = cv2.erode(seen.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=0)
    rows, columns = np.nonzero(seen)
    if len(rows) < 300:
        return None
    rows, columns = rows[:: len(rows) // 20000 + 1], columns[:: len(rows) // 20000 + 1]
    own = (np.column_stack([columns, rows]) + 0.5 - motion[:, 2]) @ np.linalg.inv(motion[:, :2]).T
    at = (own + np.array(picture.shape[1::-1]) / 2 - 0.5).astype(np.float32)
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 1)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, ksize=1, scale=0.5) for dx in (1, 0)]
    expected, right, down = (
        cv2.remap(p, at[:, 0], at[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)[:, 0]
        for p in (smooth, *slopes)
    )
    found = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1)[rows, columns]
    found = found * (expected.sum(axis=0) / found.sum(axis=0))
    system = np.column_stack([right.ravel(), down.ravel()])
    return np.linalg.lstsq(system, (found - expected).ravel(), rcond=None)[0]


@pytest.mark.parametrize("seed", range(3))
def test_pictures_lie_where_the_truth_says(seed):
    source = video(seed)
    offsets = []
    for frame in (0, 11, 23):
        image, truth = source.render(frame)
        ground = truth.layers == BACKGROUND
        offsets.append(misplaced(image, ground, source.background, truth.background_motion))
        for i, piece in enumerate(source.pieces):
            offset = misplaced(image, truth.mask(i), piece.picture, truth.motion[i])
            if offset is not None:
                offsets.append(offset)
    assert len(offsets) > 8
    # A piece without detail along one direction can be registered less well than others.
    errors = np.abs(offsets)
    assert np.median(errors) < 0.02 and np.percentile(errors, 90) < 0.06 and errors.max() < 0.2


def test_a_wrong_truth_would_be_noticed():
    source = video(0)
    image, truth = source.render(3)
    moved = truth.background_motion + np.array([[0, 0, 0.3], [0, 0, 0]])
    offset = misplaced(image, truth.layers == BACKGROUND, source.background, moved)
    assert abs(offset[0]) > 0.2


def test_a_point_that_is_followed_keeps_its_colour():
    source = video(5)
    images, truths = zip(*(source.render(t) for t in range(source.num_frames)), strict=True)
    rng = np.random.default_rng(0)
    places = rng.uniform(3, (source.width - 3, source.height - 3), (3000, 2))
    points = SurfacePoints.at(truths[0], places)
    tracks, visible = points.follow(truths)

    def colours(t: int, shift: float) -> np.ndarray:
        # Away from outlines, where a pixel belongs to one surface alone.
        image = cv2.GaussianBlur(images[t].astype(np.float32), (0, 0), 1)
        at = (tracks[:, t] - 0.5 + shift).astype(np.float32)
        return cv2.remap(image, at[:, :1], at[:, 1:], cv2.INTER_LINEAR)[:, 0]

    def change(t: int, shift: float = 0.0) -> float:
        both = visible[:, 0] & visible[:, t]
        assert both.sum() > 500
        return float(np.median(np.abs(colours(t, shift) - colours(0, 0))[both]))

    for t in (4, 12, 23):
        assert change(t) < 3
        assert change(t) < 0.5 * change(t, shift=1.0)


def inside_of(source, truth, points, slack) -> np.ndarray:
    """(N, P) whether points lie inside of every outline by ``slack`` pixels; polygons say so."""
    inside = np.zeros((len(source.pieces), len(points)), bool)
    for i, piece in enumerate(source.pieces):
        outline = piece.outline @ truth.motion[i, :, :2].T + truth.motion[i, :, 2]
        contour = outline.astype(np.float32)
        inside[i] = [cv2.pointPolygonTest(contour, p, True) > slack for p in points.tolist()]
    return inside


def test_what_is_seen_is_the_nearest_outline():
    checked = 0
    for seed in range(3):
        source = video(seed)
        truth = source.truth_of(10)
        rng = np.random.default_rng(seed)
        points = rng.uniform(0, (source.width, source.height), (1500, 2))
        sure = inside_of(source, truth, points, 1.0)
        clear = (sure == inside_of(source, truth, points, -1.0)).all(axis=0)
        order = np.arange(len(source.pieces))[:, None]
        expected = np.where(sure, order, BACKGROUND).max(axis=0)
        column, row = points.astype(int).T
        assert (truth.layers[row, column] == expected)[clear].all()
        checked += int(clear.sum())
    assert checked > 3000


def test_boxes_and_areas_fit_the_pixels_of_pieces_in_full_view():
    fits, gaps = [], []
    for seed in range(4):
        source = video(seed)
        for frame in range(0, source.num_frames, 4):
            truth = source.truth_of(frame)
            whole = (truth.inside == 1) & (truth.visible > 0.97)
            gaps.extend(np.abs(truth.bboxes - truth.whole_bboxes)[whole].ravel())
            fits.extend((truth.areas / truth.whole_areas)[whole])
    assert len(fits) > 20 and abs(np.mean(fits) - 1) < 0.02
    # A tip that is thinner than a pixel is not seen.
    assert np.mean(gaps) < 0.6 and np.max(gaps) < 3


def test_the_same_seed_gives_the_same_bytes_in_any_order():
    one, two = video(3, PhotoRecipe()), video(3, PhotoRecipe())
    late, truth = one.render(30)
    two.render(2)
    again, truth_again = two.render(30)
    assert np.array_equal(late, again)
    assert np.array_equal(truth.layers, truth_again.layers)
    assert np.array_equal(truth.layers, one.truth_of(30).layers)
    assert not np.array_equal(late, video(4, PhotoRecipe()).render(30)[0])


def test_pieces_hide_each_other_leave_and_return():
    hidden = returned = 0
    for seed in range(5):
        source = video(seed, PhotoRecipe(num_frames=90, dials=Dials(reentry=2)))
        truths = [source.truth_of(t) for t in range(0, 90, 2)]
        inside = np.array([truth.inside for truth in truths])
        visible = np.array([truth.visible for truth in truths])
        hidden += int(((inside == 1) & (visible < 0.4)).any(axis=0).sum())
        for track in (inside > 0).T:
            left = np.flatnonzero(track[:-1] & ~track[1:])
            returned += int(len(left) > 0 and track[left[0] + 1 :].any())
    assert hidden >= 3 and returned >= 3


def test_exposure_blurs_what_moves_and_the_truth_says_how_much():
    fast = Dials(speed=3, drift=0)
    sharp = video(1, PhotoRecipe(noise=0, dials=fast.turned(blur=0)))
    blurred = video(1, PhotoRecipe(noise=0, dials=fast.turned(blur=4)))
    (still, sure), (image, truth) = sharp.render(20), blurred.render(20)
    assert sure.blur.max() == 0 and truth.blur.max() > 2
    fastest = int(np.argmax(np.where(truth.areas > 200, truth.blur, 0)))
    mask = truth.mask(fastest)
    assert _detail(image, mask) < 0.7 * _detail(still, mask)


def _detail(image: np.ndarray, mask: np.ndarray) -> float:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(np.abs(cv2.Laplacian(grey, cv2.CV_32F))[mask].mean())


def test_light_drifts_and_is_told():
    source = video(2, PhotoRecipe(noise=0, dials=Dials(drift=4, blur=0)))
    rendered = [source.render(t) for t in range(0, 40, 3)]
    told = np.array([truth.light for _, truth in rendered])
    steady = video(2, PhotoRecipe(noise=0, dials=Dials(drift=0, blur=0)))
    found = [
        image.astype(float).mean() / steady.render(t)[0].mean()
        for t, (image, _) in zip(range(0, 40, 3), rendered, strict=True)
    ]
    assert np.ptp(told) > 0.15
    assert np.corrcoef(told, found)[0, 1] > 0.98


def test_dials_turn_lookalikes_and_crowds():
    def pictures(**dials: float) -> list[bytes]:
        recipe = PhotoRecipe(num_frames=2, dials=Dials(**dials))
        return [piece.picture.tobytes() for piece in video(8, recipe).pieces]

    assert len(set(pictures(lookalikes=10))) == 1
    assert len(set(pictures(lookalikes=0))) == len(pictures(lookalikes=0)) > 3
    assert len(pictures(crowd=2)) == 2 * len(pictures())


def test_a_dial_that_turns_nothing_is_refused():
    with pytest.raises(InputError, match="'clutter' turns nothing.*speed, reentry"):
        PhotoRecipe(dials=Dials(clutter=2))


@pytest.mark.parametrize("size", [(64, 48), (640, 360)])
def test_frames_of_any_size(size):
    width, height = size
    source = video(0, PhotoRecipe(num_frames=4, width=width, height=height))
    image, truth = source.render(3)
    assert image.shape == (height, width, 3) and truth.layers.shape == (height, width)
    assert len(truth.annotated)
