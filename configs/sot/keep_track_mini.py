"""KeepTrack on the mini DiMP: its matcher learns from what that tracker takes for its targets.

python tools/record_candidates.py sot/mini work_dirs/sot/run/epoch_5.pth \
    --data work_dirs/sot/world/train --out work_dirs/sot/candidates.json
vovtrack train configs/sot/keep_track_mini.py --work-dir work_dirs/sot/keep_track
"""

_base_ = "./mini.py"

load_from = "work_dirs/sot/run/epoch_5.pth"
model = dict(
    type="KeepTrack",
    candidates=dict(
        type="CandidateNet",
        in_channels=64,
        channels=64,
        matcher=dict(type="CandidateMatcher", channels=64, encoder_channels=(32, 64)),
    ),
)
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        _delete_=True,
        type="CandidateClips",
        source=dict(
            reader=dict(format="single_object"),
            ann_file="work_dirs/sot/world/train",
            data_prefix=dict(img="work_dirs/sot/world/train"),
        ),
        candidates="work_dirs/sot/candidates.json",
        samples=3_200,
        output=160,
        settings=dict(side=11),
    ),
)
online = dict(type="KeepTrackTracker", candidates=dict(legacy_size_order=False))
