"""From the device to the host."""

from __future__ import annotations

import torch
from mmengine.structures import InstanceData


def to_host(instances: InstanceData) -> InstanceData:
    """Copy float and label fields of one frame to the CPU in a single transfer.

    Labels travel as float32, which holds integers up to 2**24 exactly.
    """
    if len(instances) == 0 or instances.bboxes.device.type == "cpu":
        return instances.cpu()
    fields = dict(instances.items())
    flat = [value.float().reshape(len(value), -1) for value in fields.values()]
    packed = torch.cat(flat, dim=1).cpu().split([part.shape[1] for part in flat], dim=1)
    return InstanceData(
        **{
            name: part.reshape(value.shape).to(value.dtype)
            for (name, value), part in zip(fields.items(), packed, strict=True)
        }
    )
