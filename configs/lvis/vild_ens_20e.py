"""ViLD* of DetPro's table: templates instead of learned contexts, distillation, two branches.

The mean text embedding of 74 templates per class name, as ViLD (Gu et al., ICLR 2022) asks CLIP.
"""

_base_ = "detpro_ens_20e.py"

model = dict(
    roi_head=dict(
        level_map=None,
        classifier=dict(
            text_bank=None,
            text_encoder=dict(
                _delete_=True,
                type="ClipEncoder",
                model="ViT-B-32-quickgelu",
                pretrained="openai",
                templates="lvis74",
            ),
        ),
    )
)
