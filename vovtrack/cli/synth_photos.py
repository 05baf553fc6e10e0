"""``vovtrack synth --photos`` and ``--sample``: write moving photographs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vovtrack.cli.synth_videos import VideoOptions, resumable

if TYPE_CHECKING:
    from vovtrack.synthetic.dials import Dials

EXAMPLES = (
    "vovtrack synth --sample --out photos",
    "vovtrack synth --photos holidays --format mot --videos 8 --out photos",
)
FORMAT = "tapvid"
_NAMED = 10


def add_arguments(modes: argparse._MutuallyExclusiveGroup) -> None:
    """Declare what is written in place of a world."""
    modes.add_argument(
        "--photos",
        type=Path,
        metavar="FOLDER",
        help="instead write moving photographs: pieces of those in FOLDER that move over others, "
        f"with exact points, boxes and identities; takes --format (default: {FORMAT}) and its "
        "options",
    )
    modes.add_argument(
        "--sample", action="store_true", help="like --photos, of those in installed packages"
    )


def run(args: argparse.Namespace, dials: Dials | None = None) -> int:
    """Write the videos and say where they are."""
    from vovtrack.synthetic.albums import folder_album, packaged_album
    from vovtrack.synthetic.dials import Dials
    from vovtrack.synthetic.moving_photographs import PhotoRecipe
    from vovtrack.synthetic.photo_set import write_moving_photographs

    options = VideoOptions.of(args)
    recipe = PhotoRecipe(options.frames, options.width, options.height, dials=dials or Dials())
    album = packaged_album("test") if args.sample else folder_album(args.photos, progress=True)
    with resumable():
        out = write_moving_photographs(
            args.out,
            album,
            args.format or FORMAT,
            options.videos,
            seed=args.seed,
            recipe=recipe,
            held_out=options.held_out,
            workers=options.workers,
            force=args.force,
            progress=True,
        )
    more = ", ..." if len(album.names) > _NAMED else ""
    print(f"{options.videos} videos: {out}")
    print(f"photographs: {', '.join(album.names[:_NAMED])}{more}")
    print(f"contact sheet: {out / 'contact_sheet.png'}")
    return 0
