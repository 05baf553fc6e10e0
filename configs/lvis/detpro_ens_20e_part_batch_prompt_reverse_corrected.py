"""Stage 2 as the paper says: frozen means frozen, weights are constants and are normalised."""

_base_ = "detpro_ens_20e_part_batch_prompt_reverse.py"

model = dict(
    frozen_bn="eval",
    roi_head=dict(state_attention=dict(detach=True, normalize="sum")),
)
train_dataloader = dict(dataset=dict(dataset=dict(balance_by="base")))
