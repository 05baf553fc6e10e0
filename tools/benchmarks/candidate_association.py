"""Who is who among the candidates of two frames: ours against a loop over pairs and candidates.

    python tools/benchmarks/candidate_association.py [--candidates 100] [--frames 50] [--rounds 5]

From probabilities of matches to identities, the target and its certainty. Both see the same frames
in several rounds in turns, and what they say must be identical.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from arguments import parse
from torch import Tensor

from vovtrack.sot.identities import Identities, IdentitySettings
from vovtrack.sot.models import CandidateMatcher
from vovtrack.sot.models.optimal_transport import log_sinkhorn

SETTINGS = IdentitySettings()


def make_frames(args: argparse.Namespace) -> list[tuple[np.ndarray, Tensor]]:
    """Scores of each frame, highest first, and log assignments (1, N + 1, N + 1) to it."""
    generator = torch.Generator().manual_seed(0)
    count, frames = args.candidates, []
    for _ in range(args.frames):
        scores = torch.rand(count, generator=generator).sort(descending=True).values
        same = torch.eye(count)[torch.randperm(count, generator=generator)]
        likeness = 6 * same + torch.randn(count, count, generator=generator)
        assignment = log_sinkhorn(likeness[None], torch.tensor(1.0), 10)
        frames.append((scores.double().numpy(), assignment))
    return frames


def loop_matches(assignment: Tensor, least: float) -> tuple[list[int], list[float]]:
    """Partners of the second frame's candidates, by comparing all pairs."""
    table = assignment[0].tolist()
    rows, columns = len(table) - 1, len(table[0]) - 1
    partners, probabilities = [-1] * columns, [0.0] * columns
    for j in range(columns):
        best = 0
        for i in range(rows):
            if table[i][j] > table[best][j]:
                best = i
        if all(table[best][k] <= table[best][j] for k in range(columns)):
            probabilities[j] = float(np.exp(np.float32(table[best][j])))
            partners[j] = best if probabilities[j] > least else -1
    return partners, probabilities


class LoopIdentities:
    """Identities with a history each, candidate by candidate.

    Args:
        scores: Of the first frame, highest first.
    """

    def __init__(self, scores: np.ndarray) -> None:
        self.candidates = [{"id": k, "scores": [score]} for k, score in enumerate(scores)]
        self.next_id, self.target, self.selected = len(scores), 0, 0
        self.certain = True

    def follow(self, scores: np.ndarray, partners: list[int], probabilities: list[float]) -> None:
        """The candidates of the next frame."""
        now: list[dict[str, Any]] = []
        for score, partner, probability in zip(scores, partners, probabilities, strict=True):
            low = score < SETTINGS.low and probability < SETTINGS.probability_of_low
            doubtful = probability < SETTINGS.probability or low
            if partner < 0 or (partner == self.selected and doubtful):
                now.append({"id": self.next_id, "scores": [score]})
                self.next_id += 1
            else:
                before = self.candidates[partner]
                now.append({"id": before["id"], "scores": [*before["scores"], score]})
        self.candidates = now
        self.selected, self.certain = None, False
        for index, candidate in enumerate(now):
            if candidate["id"] == self.target:
                best = max(candidate["scores"])
                self.selected = 0 if max(now[0]["scores"]) > best else index
                self.certain = best > SETTINGS.certain
        if self.selected is None and now[0]["scores"][-1] > SETTINGS.found:
            self.selected = 0
        if self.selected is not None:
            self.target = now[self.selected]["id"]


State = tuple[list[int], int, int | None, bool]
"""Identities, that of the target, its candidate, and whether it is certain."""


def run_loop(frames: list[tuple[np.ndarray, Tensor]], least: float) -> list[State]:
    """What the loop says of all frames but the first."""
    now, states = LoopIdentities(frames[0][0]), []
    for scores, assignment in frames[1:]:
        now.follow(scores, *loop_matches(assignment, least))
        ids = [candidate["id"] for candidate in now.candidates]
        states.append((ids, now.target, now.selected, now.certain))
    return states


def run_ours(frames: list[tuple[np.ndarray, Tensor]], matcher: CandidateMatcher) -> list[State]:
    """What ours says of them."""
    now, states = Identities.begin(frames[0][0], certain=True), []
    for scores, assignment in frames[1:]:
        _, matches = matcher.match(assignment)
        now = now.follow(scores, matches.partner[0], matches.probability[0], SETTINGS)
        states.append((now.ids.tolist(), now.target, now.selected, now.certain))
    return states


def main() -> None:
    """Run both over the same frames and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    args = parse(parser, candidates=20, frames=5, rounds=1)
    torch.set_num_threads(1)
    frames, matcher = make_frames(args), CandidateMatcher()
    seconds: dict[str, list[float]] = {"loop": [], "ours": []}
    for _ in range(args.rounds):
        start = time.process_time()
        by_loop = run_loop(frames, matcher.least_probability)
        middle = time.process_time()
        ours = run_ours(frames, matcher)
        seconds["loop"].append(middle - start)
        seconds["ours"].append(time.process_time() - middle)
        assert by_loop == ours, "they differ"
    for name, values in seconds.items():
        print(f"{name}: {1e3 * np.median(values) / (args.frames - 1):.3f} ms per frame")
    ratio = np.median(seconds["loop"]) / np.median(seconds["ours"])
    print(f"ratio: {ratio:.1f}, identical identities")


if __name__ == "__main__":
    main()
