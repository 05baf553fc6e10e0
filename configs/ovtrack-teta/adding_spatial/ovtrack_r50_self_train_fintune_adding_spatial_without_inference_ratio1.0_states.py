"""Inference with class probabilities weighted by how trackable a region looks.

An option of the released code that its configs turn off. There two of the four pairs of words stand
in the wrong order, so that occluded objects would count more; here the favourable word comes first.
"""

_base_ = "ovtrack_r50_self_train_fintune_adding_spatial_without_inference_ratio1.0.py"

model = dict(
    detector=dict(
        roi_head=dict(
            state_scoring=dict(
                type="StateWeighting",
                text_encoder=dict(
                    type="ClipEncoder",
                    model="ViT-B-32-quickgelu",
                    pretrained="openai",
                    templates="name",
                ),
                branches=("text", "image"),
                scale=1.0,
            ),
        )
    ),
)
