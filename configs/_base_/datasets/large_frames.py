"""How the published training of the tracker moves and scales whole frames."""

affine = dict(
    type="TrackRandomAffine",
    max_rotate_degree=10,
    max_translate_ratio=0.1,
    scaling_ratio_range=(0.5, 1.5),
    max_shear_degree=2,
    border=(0, 0),
)
resize = dict(
    type="RandomChoiceResize",
    scales=[(1333, side) for side in (640, 672, 704, 736, 768, 800)],
    resize_type="Resize",
    keep_ratio=True,
)
