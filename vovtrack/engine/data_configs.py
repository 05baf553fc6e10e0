"""What a data config from outside may say: an explicit list; everything else is refused.

A YAML or JSON file from a stranger is merged over a config of the project and its values reach the
libraries, which import, evaluate and unpickle what some of them say. So nothing is allowed unless
it stands here: the parts it may build, the files it may name, where it may read and write.
``tests/vovtrack/engine/test_data_configs.py`` compares the lists with the libraries' sources.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from mmengine.registry import Registry

from vovtrack.engine.systems import is_own, packages
from vovtrack.errors import InputError

LIBRARIES = ("mmengine", "mmcv", "mmdet")
"""Libraries whose parts may be built where ``PARTS`` lists them."""
_PARTS = """
CSPDarknet CSPNeXt HRNet MobileNetV2 PyramidVisionTransformer PyramidVisionTransformerV2 RegNet
Res2Net ResNeSt ResNeXt ResNet ResNetV1d SwinTransformer CSPNeXtPAFPN ChannelMapper FPN PAFPN
YOLOXPAFPN
CascadeRCNN CascadeRoIHead FasterRCNN MaskRCNN RPN RTMDet RetinaNet TwoStageDetector YOLOX
BBoxHead ConvFCBBoxHead FCNMaskHead RPNHead RTMDetHead RTMDetSepBNHead RetinaHead
Shared2FCBBoxHead Shared4Conv1FCBBoxHead SingleRoIExtractor StandardRoIHead YOLOXHead
DetDataPreprocessor TrackDataPreprocessor BatchSyncRandomResize DetTTAModel
QuasiDenseEmbedHead QuasiDenseTrackHead RoIAlign RoIPool
BN BN1d BN2d BN3d GN IN LN SyncBN MMSyncBN Conv Conv1d Conv2d ConvWS DCN DCNv2 Dropout DropPath
GELU LeakyReLU Linear NormedLinear NormedConv2d PReLU ReLU ReLU6 SiLU Sigmoid Swish Tanh bilinear
deconv nearest ExpMomentumEMA ExponentialMovingAverage MomentumAnnealingEMA Caffe2Xavier Constant
Kaiming Normal Pretrained TruncNormal Uniform Xavier
BalancedL1Loss CIoULoss CrossEntropyLoss DIoULoss DiceLoss DistributionFocalLoss FocalLoss
GIoULoss IoULoss L1Loss L2Loss MSELoss MarginL2Loss MultiPosCrossEntropyLoss QualityFocalLoss
SeesawLoss SmoothL1Loss VarifocalLoss AnchorGenerator BboxOverlaps2D CombinedSampler
DeltaXYWHBBoxCoder DistancePointBBoxCoder DynamicSoftLabelAssigner InstanceBalancedPosSampler
IoUBalancedNegSampler MaxIoUAssigner MlvlPointGenerator OHEMSampler PseudoSampler RandomSampler
SimOTAAssigner TaskAlignedAssigner nms soft_nms
ByteTracker InterpolateTracklets KalmanFilter OCSORTTracker SORTTracker
ClassBalancedDataset CocoDataset ConcatDataset LVISDataset LVISV05Dataset LVISV1Dataset
MultiImageMixDataset Objects365V1Dataset Objects365V2Dataset RepeatDataset AspectRatioBatchSampler
ClassAwareSampler DefaultSampler InfiniteSampler TrackImgSampler default_collate pseudo_collate
AutoAugment AutoContrast Brightness CachedMixUp CachedMosaic CenterCrop Color Contrast CopyPaste
CutOut Equalize Expand FilterAnnotations FixShapeResize Invert LoadAnnotations
LoadEmptyAnnotations LoadImageFromFile LoadImageFromNDArray LoadProposals LoadTrackAnnotations
MinIoURandomCrop MixUp Mosaic Normalize PackDetInputs PackTrackInputs Pad PhotoMetricDistortion
Posterize ProposalBroadcaster RandAugment RandomAffine RandomApply RandomChoice RandomChoiceResize
RandomCrop RandomErasing RandomFlip RandomGrayscale RandomOrder RandomResize RandomShift Resize
Rotate Sharpness ShearX ShearY Solarize SolarizeAdd TestTimeAug TransformBroadcaster TranslateX
TranslateY UniformRefFrameSample YOLOXHSVRandomAug Compose
EpochBasedTrainLoop IterBasedTrainLoop TestLoop ValLoop CocoMetric OVCocoMetric Evaluator
CheckInvalidLossHook CheckpointHook DetVisualizationHook DistSamplerSeedHook EMAHook
EarlyStoppingHook EmptyCacheHook IterTimerHook LoggerHook MemoryProfilerHook NumClassCheckHook
ParamSchedulerHook PipelineSwitchHook RuntimeInfoHook SetEpochInfoHook SyncBuffersHook
SyncNormHook TrackVisualizationHook YOLOXModeSwitchHook LogProcessor AmpOptimWrapper OptimWrapper
DefaultOptimWrapperConstructor LearningRateDecayOptimizerConstructor Adadelta Adagrad Adam AdamW
Adamax NAdam RAdam RMSprop SGD ConstantLR CosineAnnealingLR CosineAnnealingMomentum
CosineRestartLR ExponentialLR LinearLR LinearMomentum MultiStepLR OneCycleLR PolyLR
QuadraticWarmupLR ReduceOnPlateauLR StepLR DetLocalVisualizer TrackLocalVisualizer LocalVisBackend
TensorboardVisBackend
"""
PARTS = frozenset(_PARTS.split())
"""Parts of the libraries that neither evaluate, import nor unpickle what they are given."""
TYPE_KEYS = ("type", "constructor", "runner_type")
"""Keys whose value the libraries look up in a registry, or import where it has dots."""
SCOPE_KEYS = ("default_scope", "_scope_")
SCOPED = re.compile(rf"({'|'.join(LIBRARIES)})\.([A-Za-z]\w*)")
STORE_KEYS = ("backend_args", "file_client_args")
STORES = ("local", "http")
"""Where a file may be read from; the other back ends import code that the config names."""
PICKLES = re.compile(r"\.(pkl|pickle|joblib|dill)(\.\w+)?$", re.IGNORECASE)
_OUTPUT_KEYS = """
work_dir out_dir out_file out_file_path outfile_prefix output_dir save_dir log_dir cache_dir
collect_dir test_out_dir filename_tmpl resfile_path show_dir timestamp
"""
OUTPUT_KEYS = frozenset(_OUTPUT_KEYS.split())
"""Keys that say where something is written: a data config may only name places below here."""
DEVICES = ("dev", "proc", "sys")
"""Folders of the root that hold no files."""
SETTINGS = {"launcher": "none", "compile": False, "model_wrapper_cfg": None, "init_method": None}
"""Settings that start programs or connect to strangers, with the only value that they may have."""
OPT_IN = "If you trust its author, add --trust-config (in Python: trust_config=True)."


def import_parts(path: Path, content: dict[str, Any]) -> None:
    """Import the modules of this project that a data config lists in ``custom_imports``.

    Raises:
        InputError: It lists a module that is not of this project.
    """
    for key, value in walk(content):
        if key != "custom_imports" or value is None:
            continue
        names = value.get("imports") if isinstance(value, Mapping) else value
        for name in names if isinstance(names, list) else [names]:
            if not isinstance(name, str) or not is_own(name):
                raise _refused(path, key, name, "code that is not part of this project")
            try:
                importlib.import_module(name)
            except ImportError as error:
                raise InputError(f"Config '{path}': cannot import '{name}': {error}.") from None


def check_content(path: Path, content: dict[str, Any]) -> None:
    """Refuse whatever is not on the lists of this module.

    Args:
        path: The config, for the message.
        content: What it says itself, without its bases; its imports are done.

    Raises:
        InputError: A part, file, store, setting or place that it may not name.
    """
    for key, value in walk(content):
        if value is None:
            continue
        if key in TYPE_KEYS and not is_known_part(value):
            raise _refused(path, key, value, "a part that no list of safe parts holds")
        if key in SCOPE_KEYS and value not in (*packages(), *LIBRARIES):
            raise _refused(path, key, value, "code that is not part of this project")
        if key in STORE_KEYS and not _is_known_store(value):
            raise _refused(path, key, value, f"a store other than {' and '.join(STORES)}")
        if key in OUTPUT_KEYS and not _lies_below(value):
            raise _refused(path, key, value, "a place outside of the current folder")
        if key in SETTINGS and value != SETTINGS[key]:
            raise _refused(path, key, value, "a setting that can start other programs")
    for key, text in _texts(content):
        if PICKLES.search(text):
            raise _refused(path, key, text, "a pickle, which can run code when it is read")
        if _is_device(text):
            raise _refused(path, key, text, "a device, whose content may have no end")


def is_known_part(name: Any) -> bool:
    """Whether a ``type`` means a listed part of the libraries or any part of this project."""
    if not isinstance(name, str):
        return False
    if scoped := SCOPED.fullmatch(name):
        name = scoped[2]
    return name in PARTS or name in _own_parts(_num_parts())


def registries() -> list[Registry]:
    """All registries of mmengine and mmdet."""
    found = [
        value
        for library in ("mmengine", "mmdet")
        for value in vars(importlib.import_module(f"{library}.registry")).values()
        if isinstance(value, Registry)
    ]
    return list({id(registry): registry for registry in found}.values())


def walk(node: Any) -> Iterator[tuple[Any, Any]]:
    """All keys with their values, at any depth."""
    if isinstance(node, Mapping):
        yield from node.items()
    children = node.values() if isinstance(node, Mapping) else node
    for child in children if isinstance(node, Mapping | list | tuple) else ():
        yield from walk(child)


def _texts(node: Any, key: Any = "") -> Iterator[tuple[Any, str]]:
    if isinstance(node, str):
        yield key, node
    pairs: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, Mapping) else ()
    if isinstance(node, list | tuple):
        pairs = ((key, child) for child in node)
    for name, child in pairs:
        yield from _texts(child, name)


def _num_parts() -> int:
    return sum(len(registry) for registry in registries())


@cache
def _own_parts(_num_parts: int) -> frozenset[str]:
    """Names of this project's parts; again when something was registered."""
    return frozenset(
        name
        for registry in registries()
        for name, part in registry.module_dict.items()
        if is_own(part.__module__)
    )


def _is_known_store(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return set(value) <= {"backend"} and value.get("backend", "local") in STORES


def _lies_below(value: Any) -> bool:
    """Whether a path, or a piece of one, stays in the current folder."""
    if not isinstance(value, str):
        return isinstance(value, bool | int | float)
    if ".." in PurePath(value).parts or "://" in value:
        return False
    here = Path.cwd()
    return Path(os.path.realpath(here / value)).is_relative_to(os.path.realpath(here))


def _is_device(text: str) -> bool:
    """Whether a path, or the root that another text may be appended to, leads to no plain file."""
    if "/" not in text or "\0" in text:
        return False
    place = Path(os.path.realpath(text))
    return len(place.parts) == 1 or place.parts[1] in DEVICES or place.is_fifo()


def _refused(path: Path, key: Any, value: Any, what: str) -> InputError:
    shown = value if len(str(value)) <= 80 else f"{str(value)[:80]}..."
    shown = "".join(c if c.isprintable() else "?" for c in str(shown))
    return InputError(
        f"Config '{path}' names '{shown}' under '{key}': {what}; it was not used. {OPT_IN}"
    )
