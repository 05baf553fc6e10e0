"""Where and how far to look for a target, and when to believe that it is found."""

online = dict(
    side=288,
    extent=5.0,
    border="replicate",
    localization=dict(
        not_found=0.25, distractor=0.8, hard_negative=0.5, neighbourhood=2.2, displacement=0.8
    ),
)
