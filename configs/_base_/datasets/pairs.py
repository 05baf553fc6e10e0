"""How a batch of image pairs is made."""

train_dataloader = dict(
    batch_size=6,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="views_collate"),
)
