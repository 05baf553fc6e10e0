"""What all raw snippets share: what a sample keeps of its frames, and how a batch is made."""

snippet_meta_keys = (
    "img_id",
    "img_path",
    "ori_shape",
    "img_shape",
    "scale_factor",
    "homography_matrix",
    "video",
    "frame_index",
    "clip_length",
)

train_dataloader = dict(
    batch_size=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="views_collate"),
)
