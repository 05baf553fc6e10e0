"""Free photographs that come inside installed packages.

None of them lies in this repository. Left out are those whose licence is unclear (moon, motorcycle,
rocket), those of people and those of medicine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vovtrack.errors import InputError, did_you_mean
from vovtrack.files.images import decode_image

Kind = Literal["texture", "picture"]
Split = Literal["train", "test"]
CLOSEST = 2.0
"""A crop shows a photograph at most so many times as large as it is, unless it has to."""


@dataclass(frozen=True)
class Photograph:
    """One photograph of an installed package.

    Attributes:
        package: Distribution that contains it.
        file: Its path as installed; the first part is the module.
        sha256: Of the file.
        origin: Who took it, or where it is from.
        licence: Under which it may be used.
        kind: The same stuff all over, or a picture of things.
        split: Seen in training worlds, or kept for testing.
    """

    package: str
    file: str
    sha256: str
    origin: str
    licence: str
    kind: Kind
    split: Split

    @property
    def name(self) -> str:
        """How it is asked for."""
        return Path(self.file).stem

    def path(self) -> Path:
        """Where the file lies, without importing the package.

        Raises:
            InputError: The package is not installed.
        """
        module, *inside = Path(self.file).parts
        spec = find_spec(module)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"Photograph '{self.name}' comes with {self.package}, which is not installed: "
                f"pip install {self.package}."
            )
        return Path(spec.submodule_search_locations[0], *inside)


PHOTOGRAPHS = {
    photograph.name: photograph
    for photograph in (
        Photograph(
            "scikit-image",
            "skimage/data/brick.png",
            "7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
            "CC0Textures, Bricks25",
            "CC0",
            "texture",
            "train",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/grass.png",
            "b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
            "linolafett, DeviantArt",
            "CC0",
            "texture",
            "train",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/text.png",
            "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
            "Wikipedia, Corner.png",
            "public domain",
            "texture",
            "train",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/chelsea.png",
            "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
            "Stefan van der Walt",
            "CC0",
            "picture",
            "train",
        ),
        Photograph(
            "scikit-learn",
            "sklearn/datasets/images/china.jpg",
            "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
            "danielbuechele, Flickr",
            "CC BY 2.0",
            "picture",
            "train",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/hubble_deep_field.jpg",
            "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
            "NASA, HubbleSite",
            "public domain",
            "picture",
            "train",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/gravel.png",
            "c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
            "CC0Textures, Gravel04",
            "CC0",
            "texture",
            "test",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/coffee.png",
            "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
            "Rachel Michetti",
            "CC0",
            "picture",
            "test",
        ),
        Photograph(
            "scikit-image",
            "skimage/data/coins.png",
            "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
            "Brooklyn Museum, 51611",
            "no known copyright",
            "picture",
            "test",
        ),
        Photograph(
            "scikit-learn",
            "sklearn/datasets/images/flower.jpg",
            "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
            "vultilion, Flickr",
            "CC BY 2.0",
            "picture",
            "test",
        ),
    )
}
"""All photographs, by name."""


def names_of(split: Split, kind: Kind | None = None) -> list[str]:
    """Names of the photographs of a split and, where asked for, of one kind."""
    return [
        photograph.name
        for photograph in PHOTOGRAPHS.values()
        if photograph.split == split and kind in (None, photograph.kind)
    ]


@cache
def photograph(name: str) -> NDArray[np.uint8]:
    """Read a photograph; the pixels are the same on any machine.

    Returns:
        (H, W, 3) uint8 RGB, shared and read-only.

    Raises:
        InputError: No photograph has this name, its package is not installed, or the file there is
            missing or not the one that is known.
    """
    if name not in PHOTOGRAPHS:
        raise InputError(f"No photograph is called '{name}'.{did_you_mean(name, PHOTOGRAPHS)}")
    entry = PHOTOGRAPHS[name]
    path = entry.path()
    again = f"pip install --force-reinstall '{entry.package}' brings the file back"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"Photograph '{path}' of {entry.package} cannot be read: "
            f"{error.strerror or error}; {again}."
        ) from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise InputError(
            f"Photograph '{path}' is not the file that {entry.package} published, and nothing "
            f"drawn from another would be the same again; {again}."
        )
    pixels = np.ascontiguousarray(decode_image(data, path)[..., ::-1])
    pixels.flags.writeable = False
    return pixels


def crop_of(
    rng: np.random.Generator, kind: Kind, split: Split, width: int, height: int
) -> NDArray[np.float32]:
    """Cut a random piece out of a random photograph, see :func:`crop`.

    Args:
        rng: Source of randomness.
        kind: Kind of photograph.
        split: Split of photographs.
        width: Of the piece, in pixels.
        height: Of the piece, in pixels.

    Returns:
        (height, width, 3) float32 RGB in [0, 1].
    """
    piece = crop(rng, photograph(str(rng.choice(names_of(split, kind)))), width, height)
    return piece.astype(np.float32) / np.float32(255)


def crop(
    rng: np.random.Generator, image: NDArray[np.uint8], width: int, height: int
) -> NDArray[np.uint8]:
    """Cut a piece at a random place and scale, and mirror it half of the time.

    The scale lies between `CLOSEST` and the one at which the whole width or height is seen, all
    ratios equally likely.

    Args:
        rng: Source of randomness.
        image: (H, W, 3) uint8 RGB.
        width: Of the piece, in pixels.
        height: Of the piece, in pixels.

    Returns:
        (height, width, 3) uint8 RGB, smoothed where it shrinks, so without aliasing.
    """
    full = np.array([image.shape[1], image.shape[0]], float)
    wanted = np.array([width, height], float)
    widest = float((full / wanted).min())
    step = np.exp(rng.uniform(np.log(min(1 / CLOSEST, widest)), np.log(widest)))
    low = rng.uniform(0, 1, 2) * np.maximum(full - wanted * step, 0)
    box = (*low, *np.minimum(low + wanted * step, full))
    # Pillow resizes bytes in whole numbers: every machine gets the same.
    piece = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC, box=box)
    pixels = np.asarray(piece, np.uint8)
    return pixels[:, ::-1].copy() if rng.random() < 0.5 else pixels
