"""The free photographs inside installed packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vovtrack.errors import InputError
from vovtrack.files.hashing import file_sha256
from vovtrack.synthetic import photographs
from vovtrack.synthetic.photographs import PHOTOGRAPHS, crop, crop_of, names_of, photograph

FREE = {"CC0", "public domain", "no known copyright", "CC BY 2.0"}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_photograph_is_found_whole_and_free(name):
    entry = PHOTOGRAPHS[name]
    assert file_sha256(entry.path()) == entry.sha256
    assert entry.licence in FREE and entry.origin
    pixels = photograph(name)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3 and min(pixels.shape[:2]) > 150
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 0


def test_splits_share_nothing():
    train, test = names_of("train"), names_of("test")
    assert not set(train) & set(test) and sorted(train + test) == sorted(PHOTOGRAPHS)
    assert len({entry.sha256 for entry in PHOTOGRAPHS.values()}) == len(PHOTOGRAPHS)
    for split in ("train", "test"):
        assert names_of(split, "texture") and len(names_of(split)) >= 4


def test_the_documentation_names_origin_and_licence_of_all():
    page = (Path(__file__).parents[3] / "docs/photographs.md").read_text()
    for entry in PHOTOGRAPHS.values():
        cells = [f"`{entry.name}`", entry.package, entry.kind, entry.split]
        assert f"| {' | '.join([*cells, entry.origin, entry.licence])} |" in page


def test_red_comes_first():
    cup = photograph("coffee").reshape(-1, 3).mean(axis=0)
    assert cup[0] > 1.5 * cup[2]


def test_packages_are_located_without_importing_them():
    code = (
        "import sys; from vovtrack.synthetic.photographs import PHOTOGRAPHS, photograph; "
        "[photograph(name) for name in PHOTOGRAPHS]; "
        "print({'skimage', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture
def lone_package(tmp_path, monkeypatch):
    """A photograph of a package whose files the test owns."""
    package = tmp_path / "lonely"
    package.mkdir()
    (package / "__init__.py").touch()
    cup = PHOTOGRAPHS["coffee"]
    (package / "cup.png").write_bytes(cup.path().read_bytes())
    entry = photographs.Photograph(
        "lonely-pictures", "lonely/cup.png", cup.sha256, "here", "CC0", "picture", "test"
    )
    monkeypatch.setitem(PHOTOGRAPHS, "cup", entry)
    monkeypatch.syspath_prepend(tmp_path)
    photograph.cache_clear()
    yield package
    photograph.cache_clear()


def test_changed_file_is_refused(lone_package):
    assert np.array_equal(photograph("cup"), photograph("coffee"))
    photograph.cache_clear()
    file = lone_package / "cup.png"
    file.write_bytes(file.read_bytes() + b"\0")
    with pytest.raises(InputError, match=r"lonely-pictures published.*force-reinstall"):
        photograph("cup")
    file.unlink()
    with pytest.raises(InputError, match=r"cup\.png' of lonely-pictures cannot be read"):
        photograph("cup")


def test_missing_package_says_what_to_install(monkeypatch):
    entry = photographs.Photograph("no-such", "no_such_module/a.png", "", "", "", "picture", "test")
    monkeypatch.setitem(PHOTOGRAPHS, "a", entry)
    with pytest.raises(InputError, match="pip install no-such"):
        photograph("a")


def test_misspelt_name_is_answered_with_the_near_one():
    with pytest.raises(InputError, match="Did you mean 'coffee'"):
        photograph("cofee")


@pytest.mark.parametrize("size", [(256, 192), (31, 300), (2000, 1100)])
def test_crops_have_the_size_asked_for(size):
    width, height = size
    piece = crop_of(np.random.default_rng(3), "picture", "test", width, height)
    assert piece.shape == (height, width, 3) and piece.dtype == np.float32
    assert 0 <= piece.min() < piece.max() <= 1
    assert np.array_equal(
        piece, crop_of(np.random.default_rng(3), "picture", "test", width, height)
    )


def test_crops_stay_inside_and_vary_in_place_scale_and_direction():
    # The colour of this picture tells where a piece is from.
    x, y = np.meshgrid(np.arange(400) / 2, np.arange(300) / 2)
    image = np.dstack([x, y, 0 * x]).astype(np.uint8)
    rng = np.random.default_rng(0)
    pieces = [crop(rng, image, 64, 48) for _ in range(60)]
    spans = np.array([2 * (float(p[24, -1, 0]) - p[24, 0, 0]) / 63 for p in pieces])
    assert (spans < 0).any() and (spans > 0).any()
    assert np.abs(spans).min() < 1 and np.abs(spans).max() > 3
    centres = np.array([p.mean(axis=(0, 1))[:2] * 2 for p in pieces])
    assert (centres.max(axis=0) - centres.min(axis=0) > (150, 100)).all()


def test_shrinking_does_not_alias():
    # Stripes of one pixel, seen at a quarter of the size, are grey and not stripes of another size.
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    rng = np.random.default_rng(0)
    far = [crop(rng, stripes, 64, 64) for _ in range(40)]
    flat = [piece for piece in far if piece[:, 8:-8].std() < 5]
    assert len(flat) > 5
    assert all(abs(float(piece.mean()) - 127.5) < 4 for piece in flat)


def test_small_photographs_fill_pieces_of_any_size():
    rng = np.random.default_rng(0)
    for width, height in rng.integers(100, 1500, (60, 2)).tolist():
        assert crop(rng, photograph("text"), width, height).shape == (height, width, 3)
