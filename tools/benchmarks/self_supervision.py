"""Training losses alone: a clip's cycle loss and an image pair's loss, ours against their formulas.

    python tools/benchmarks/self_supervision.py [--frames 8] [--detections 50] [--size 256]

The cycle loss is compared with a loop over the pairs and triples of frames, the multi-positive
loss with its expanded quadratic form. Values and gradients must agree to 1e-5.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import combinations

import torch
import torch.nn.functional as F
from arguments import parse
from torch import Tensor

from ovtrack.models import UnbiasedMultiPosCELoss
from ovtrack.models.cycle_loss import CycleConsistencyLoss

Loss = Callable[[], list[Tensor]]


def round_trip(similarity: Tensor, margin: float = 0.5) -> Tensor:
    """Cost of one walk to another frame and back."""
    there = similarity if similarity.shape[0] >= similarity.shape[1] else similarity.T
    walk = torch.eye(len(there))
    for step in (there, there.T):
        walk = walk @ (step * 10 * math.log(max(step.shape[1], 1))).softmax(dim=1)
    own = walk.diag()
    others = walk * (1 - torch.eye(len(walk)))
    rows = (others.max(dim=1).values + margin - own).clamp(min=0)
    columns = (others.max(dim=0).values + margin - own).clamp(min=0)
    return (rows.sum() + columns.sum()) / (2 * len(walk))


def looped_cycle_loss(embeds: list[Tensor], share_cosines: bool) -> Tensor:
    """Mean over all pairs plus mean over all triples, one after the other."""
    frames = [F.normalize(e, dim=1) for e in embeds]

    def cosine(i: int, j: int) -> Tensor:
        return frames[i] @ frames[j].T

    if share_cosines:
        cosine = cache(cosine)
    pairs, triples = [], []
    for i, j in combinations(range(len(frames)), 2):
        pairs.append(round_trip(cosine(i, j)))
        for k in range(len(frames)):
            if k not in (i, j):
                triples.append(round_trip(cosine(i, k) @ cosine(k, j)))
    return torch.stack(pairs).mean() + torch.stack(triples).mean()


def expanded_multi_positive_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over the positives p of a row of ``log(sum_N exp(z - z_p) + mean_P exp(z - z_p))``.

    All differences of a row against its entries: a (K, R, R) tensor.
    """
    num_pos = targets.sum(dim=1)
    share = torch.where(targets, num_pos[:, None], 1).log()
    differences = logits[:, None, :] - logits[:, :, None]
    per_positive = (differences - share[:, None, :]).logsumexp(dim=2)
    rows = (per_positive * targets).sum(dim=1) / num_pos.clamp(min=1)
    return 0.25 * rows.sum() / (num_pos > 0).sum()


def with_gradients(loss: Callable[[list[Tensor]], Tensor], inputs: list[Tensor]) -> Loss:
    """A call that returns the loss and its gradients."""

    def call() -> list[Tensor]:
        leaves = [x.detach().requires_grad_() for x in inputs]
        value = loss(leaves)
        return [value.detach(), *torch.autograd.grad(value, leaves)]

    return call


def compare(name: str, reference: Loss, ours: Loss, repeats: int) -> None:
    """Print the best times of both, backward included, and require equal results."""
    for expected, result in zip(reference(), ours(), strict=True):
        largest = float(expected.abs().max())
        torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5 * largest)
    seconds: dict[str, list[float]] = {"formula": [], "ours": []}
    for _ in range(repeats):
        for key, loss in (("formula", reference), ("ours", ours)):
            start = time.perf_counter()
            loss()
            seconds[key].append(time.perf_counter() - start)
    formula, own = (1e3 * min(s) for s in seconds.values())
    print(f"{name}: formula {formula:.2f} ms, ours {own:.2f} ms, ratio {formula / own:.1f}, equal")


def saved_bytes(call: Loss) -> int:
    """Memory that the forward pass keeps for the backward pass."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    return sum(storages.values())


def clip(frames: int, detections: int, dims: int) -> list[Tensor]:
    """Embeddings of the same objects in every frame, with noise and in another order."""
    generator = torch.Generator().manual_seed(0)
    objects = torch.randn(detections, dims, generator=generator)
    orders = [torch.randperm(detections, generator=generator) for _ in range(frames)]
    return [objects[o] + 2 * torch.randn(objects.shape, generator=generator) for o in orders]


def image_pair(size: int, num_objects: int = 12) -> tuple[Tensor, Tensor]:
    """Similarities (size, size) and which of them belong to one object; half are background."""
    generator = torch.Generator().manual_seed(0)
    key, ref = torch.randint(-num_objects, num_objects, (2, size), generator=generator)
    same = (key[:, None] == ref) & (key[:, None] >= 0)
    return torch.randn(size, size, generator=generator) * 3, same


def main() -> None:
    """Compare both losses and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--detections", type=int, default=50)
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--size", type=int, default=256, help="regions per image of a pair")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    args = parse(parser, frames=3, detections=5, dims=16, size=16, repeats=1)
    torch.set_num_threads(args.threads)

    embeds = clip(args.frames, args.detections, args.dims)
    ours = with_gradients(CycleConsistencyLoss(), embeds)
    for shared, how in ((False, "cosines of each walk again"), (True, "cosines once per pair")):
        looped = with_gradients(partial(looped_cycle_loss, share_cosines=shared), embeds)
        name = f"cycle loss, {args.frames} x {args.detections}, {how}"
        compare(name, looped, ours, args.repeats)

    closed_form = UnbiasedMultiPosCELoss(0.25)
    for size in (args.size, 2 * args.size):
        logits, same = image_pair(size)
        expanded = with_gradients(lambda z, y=same: expanded_multi_positive_loss(*z, y), [logits])
        ours = with_gradients(lambda z, y=same: closed_form(*z, y), [logits])
        if size == args.size:
            compare(f"multi-positive loss, {size} x {size}", expanded, ours, args.repeats)
        kept = [saved_bytes(call) / 2**20 for call in (expanded, ours)]
        print(f"  kept for backward at {size} x {size}: {kept[0]:.1f} MiB, ours {kept[1]:.2f} MiB")


if __name__ == "__main__":
    main()
