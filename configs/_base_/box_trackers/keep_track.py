"""How KeepTrack follows a target, as published: super DiMP simple in larger search areas."""

_base_ = "./super_dimp.py"

online = dict(
    type="KeepTrackTracker",
    side=480,
    extent=8.0,
    # A quarter of the target's side, of which a search area has eight.
    learning=dict(label_sigma=1 / 32, least_certainty=0.5),
    candidates=dict(threshold=0.05, sure=0.5, first_frames=9, legacy_size_order=True),
    identities=dict(probability=0.6, probability_of_low=0.85, low=0.2, found=0.25, certain=0.75),
    widening=dict(history=60, least=2, most=30),
)
