"""Hints and checks that all messages to the user share."""

from __future__ import annotations

import pytest

from vovtrack.errors import InputError, did_you_mean, one_of


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("mot71", " Did you mean 'mot17'?"),
        ("ta", " Did you mean 'tao' or 'tao-ov'?"),
        ("zebra", ""),
    ],
)
def test_near_names_are_offered_the_nearest_first(word, hint):
    known = ("tao-ov", "mot17", "tao", "lvis")
    assert did_you_mean(word, known, cutoff=0.5) == hint


def test_no_more_names_than_asked_for():
    assert did_you_mean("aa", ["aab", "aac", "aad"], count=1).count("'") == 2
    assert did_you_mean("aa", ["aab", "aac", "aad"]).count("'") == 6


def test_a_choice_is_returned_or_refused_with_all_choices():
    assert one_of("mode", "strided", {"first": 1, "strided": 2}) == "strided"
    for wrong in ("last", None):
        with pytest.raises(InputError, match=rf"mode is {wrong!r}, expected one of first, strided"):
            one_of("mode", wrong, ("first", "strided"))


def test_near_names_are_found_in_one_place(repo_root):
    packages = (repo_root / name for name in ("vovtrack", "detpro", "ovtrack"))
    files = [path for package in packages for path in package.rglob("*.py")]
    assert [p.name for p in files if "difflib" in p.read_text()] == ["errors.py"]
