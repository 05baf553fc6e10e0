"""Logging, checkpoints, processes and seeds of every run."""

default_scope = "mmdet"
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="VerifiedCheckpointHook", interval=1, max_keep_ckpts=3),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    finite_loss=dict(type="FiniteLossHook"),
    same_classes=dict(type="SameClassesHook"),
)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
    # Seconds that processes wait for each other. In training the longest wait is for the one
    # that evaluates after an epoch; evaluation of a test may take hours.
    process_timeout=dict(train=3600, test=72_000),
)
# 'vovtrack test --tta': sizes in which a detector sees each image, and whether also mirrored.
tta = dict(size_factors=(0.75, 1.0, 1.25), mirror=True)
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
log_level = "INFO"
randomness = dict(seed=0)
load_from = None
resume = False
resume_from = None
