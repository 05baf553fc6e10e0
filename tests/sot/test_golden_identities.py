"""Identities of candidates over time, against what the original kept."""

from __future__ import annotations

import numpy as np

from vovtrack.sot.identities import Identities, IdentitySettings
from vovtrack.sot.localization import Flag

SETTINGS = IdentitySettings()


def check(now: Identities, state: dict) -> None:
    assert now.flag.value == state["flag"]
    assert now.selected == state["selected"]
    assert now.target == state["selected_object"]
    assert now.certain == state["certain"]
    assert now.next_id == state["counter"]
    assert now.ids.tolist() == state["object_ids"]
    assert now.lengths.tolist() == state["lengths"]
    np.testing.assert_allclose(now.best, state["best_scores"], rtol=1e-6)


def test_recorded_scripts(recorded):
    scripts = recorded.json("keeptrack_association.json")
    assert scripts
    for script in scripts:
        first, *later = script["frames"]
        now = Identities.begin(np.array(first["scores"]), script["start_certain"])
        check(now, first["state"])
        for frame in later:
            scores, partners, probabilities = (
                np.array(frame[key]) for key in ("scores", "matches", "probs")
            )
            now = now.follow(scores, partners.astype(np.int64), probabilities, SETTINGS)
            check(now, frame["state"])


def test_no_candidates_and_then_some():
    now = Identities.begin(np.array([0.9, 0.4]), certain=True)
    nothing = np.empty(0)
    gone = now.follow(nothing, nothing.astype(np.int64), nothing, SETTINGS)
    assert gone.flag is Flag.NOT_FOUND and gone.target == 0 and gone.next_id == 2
    back = gone.follow(np.array([0.5, 0.3]), np.array([-1, -1]), np.zeros(2), SETTINGS)
    assert back.flag is Flag.NORMAL and back.selected == 0 and back.target == 2


def test_of_others_any_link_is_believed():
    """Only the target's own is doubted."""
    now = Identities.begin(np.array([0.9, 0.4]), certain=True)
    swapped = now.follow(np.array([0.6, 0.1]), np.array([0, 1]), np.array([0.9, 0.3]), SETTINGS)
    assert swapped.ids.tolist() == [0, 1]
    doubted = now.follow(np.array([0.6, 0.1]), np.array([1, 0]), np.array([0.3, 0.84]), SETTINGS)
    assert doubted.ids.tolist() == [1, 2] and doubted.target == 1


def test_many_candidates_keep_who_they_are():
    rng = np.random.default_rng(0)
    now = Identities.begin(np.sort(rng.uniform(0.1, 0.7, 100))[::-1], certain=True)
    order = rng.permutation(100)
    later = now.follow(np.sort(rng.uniform(0.1, 0.7, 100))[::-1], order, np.ones(100), SETTINGS)
    assert (later.ids == order).all() and (later.lengths == 2).all() and later.next_id == 100
