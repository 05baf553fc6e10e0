"""KeepTrack: super DiMP simple, and what tells its candidates apart."""

_base_ = "./super_dimp_simple.py"

model = dict(
    type="KeepTrack",
    candidates=dict(
        type="CandidateNet",
        in_channels=1024,
        channels=256,
        matcher=dict(type="CandidateMatcher", channels=256),
    ),
)
