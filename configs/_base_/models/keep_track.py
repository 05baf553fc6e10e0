"""KeepTrack's network beside that of its tracker, super DiMP simple."""

model = dict(
    type="CandidateNet",
    in_channels=1024,
    channels=256,
    matcher=dict(type="CandidateMatcher", channels=256),
)
