"""Candidates of super DiMP simple in LaSOT's training videos, as KeepTrack learns from."""

train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="pseudo_collate"),
    dataset=dict(
        type="CandidateClips",
        source=dict(
            reader=dict(format="single_object", names="data/lasot/training_set.txt"),
            ann_file="data/lasot",
            data_prefix=dict(img="data/lasot"),
        ),
        candidates="data/lasot/candidates_super_dimp_simple.json",
        samples=6_400,
        output=352,
        views=0.5,
        frames=dict(H=1.0, K=0.5, J=0.5),
        pairs=dict(HH=1.0, HK=0.1, HG=0.1),
        brightness=(0.5, 1.5),
        blur=0.75,
        settings=dict(
            side=23,
            count=5,
            jitter=0.01,
            drop=0.25,
            drop_target=0.25,
            tries=20,
            weakest=0.05,
            spread=0.025,
            score_noise=0.1,
            least_score=0.075,
            rival=0.2,
            similar=0.5,
        ),
    ),
)
