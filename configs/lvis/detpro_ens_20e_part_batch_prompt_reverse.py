"""Stage 2 as released: one epoch of state-weighted classification from the weights of stage 1.

The frozen neck's batch statistics drift, gradients flow through the weights, and images are
repeated by hidden classes too; the *_corrected.py sibling does none of it.
"""

_base_ = "detpro_ens_20e.py"

model = dict(
    freeze=("backbone", "neck", "rpn_head"),
    frozen_bn="train",
    roi_head=dict(
        level_map=None,
        state_attention=dict(
            type="StateAttention",
            text_encoder=dict(
                type="ClipEncoder",
                model="ViT-B-32-quickgelu",
                pretrained="openai",
                templates="name",
            ),
            pairs=[
                ("complete", "incomplete"),
                ("unoccluded", "occluded"),
                ("unobscured", "obscured"),
                ("recognizable", "unrecognizable"),
            ],
            temperature=0.007,
            low=0.4,
            high=0.7,
            detach=False,
            apply_to="all",
            normalize="count",
        ),
    ),
)
load_from = "saved_models/our_trained_models/detpro_stage1.pth"
optim_wrapper = dict(optimizer=dict(lr=2e-4))
train_cfg = dict(max_epochs=1, val_interval=1)
val_dataloader = dict(batch_size=3)
test_dataloader = dict(batch_size=3)
