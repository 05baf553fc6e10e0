"""One answer from many votes."""

from __future__ import annotations

import pytest

from vovtrack.ops.voting import majority_class


@pytest.mark.parametrize(
    ("votes", "winner"),
    [({3: 1}, 3), ({5: 2, 4: 3}, 4), ({5: 2, 4: 2, 9: 1}, 4), ({1: 0.4, 0: 0.1, 2: 0.5}, 2)],
)
def test_most_votes_win_and_the_smaller_number_of_equals(votes, winner):
    assert majority_class(votes) == winner
