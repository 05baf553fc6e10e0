"""What a data config may name: lists that are compared with the libraries that they are about."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mmengine import fileio

from vovtrack import compat
from vovtrack.engine.configs import read_config
from vovtrack.engine.data_configs import PARTS, is_known_part, registries
from vovtrack.engine.systems import is_own
from vovtrack.errors import InputError

LIBRARIES = [
    Path(importlib.util.find_spec(library).origin).parent
    for library in ("mmengine", "mmcv", "mmdet")
]
CODE = {
    "eval", "exec", "__import__", "import_module", "get_object_from_string", "system", "popen",
    "Popen", "getoutput", "check_output", "check_call", "call_command", "read_pickle",
    "from_pretrained",
}  # fmt: skip
"""Functions that make code of a text."""
KNOWN = {
    "mmengine/config/": "configs in Python, which are trusted before",
    "mmengine/registry/registry.py": "dotted and scope names, which are refused",
    "mmengine/utils/": "version queries, and imports that a config lists",
    "mmdet/models/dense_heads/atss_vlfusion_head.py": "not listed",
    "mmengine/runner/checkpoint.py": "names of torchvision's models",
    "mmengine/dist/utils.py": "host names of Slurm's environment",
    "mmengine/hub/": "not called by this project",
    "mmengine/infer/": "not called by this project",
    "mmengine/visualization/vis_backend.py": "DVCLiveVisBackend, constant text",
    "mmcv/ops/nms.py": "types of nms are listed",
    "mmcv/cnn/rfsearch/search.py": "constant texts",
    "mmcv/utils/": "compiler versions; the name of the compiled extension",
    "mmdet/evaluation/functional/class_names.py": "names out of a table",
    "mmdet/models/task_modules/tracking/camera_motion_compensation.py": "not listed",
    "mmdet/models/language_models/bert.py": "not listed",
    "mmdet/datasets/transforms/text_transformers.py": "not listed",
    "mmdet/.mim/": "scripts",
}
"""Files of the libraries that make code of texts, and why no data config gets there."""


def everything_registered() -> dict[str, set[str]]:
    """Part names of the libraries, and the files that hold them."""
    compat.install()
    for room in ("models", "datasets", "engine", "evaluation", "visualization"):
        importlib.import_module(f"mmdet.{room}")
    importlib.import_module("mmcv.cnn.rfsearch")
    found: dict[str, set[str]] = {}
    for registry in registries():
        for name, part in registry.module_dict.items():
            if not is_own(part.__module__):
                module = sys.modules[part.__module__]
                found.setdefault(name, set()).add(getattr(module, "__file__", None) or "")
    return found


def makers_of_code(path: Path) -> set[str]:
    """Names of functions called in a file that make code of a text."""
    calls = [n.func for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    names = {f.id for f in calls if isinstance(f, ast.Name)}
    methods = {ast.unparse(f) for f in calls if isinstance(f, ast.Attribute)}
    harmless = re.compile(r".*\.eval|platform\.system")
    return CODE & (names | {m.rpartition(".")[2] for m in methods if not harmless.fullmatch(m)})


def refused(tmp_path: Path, content: dict) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_every_registered_part_is_listed_or_refused(tmp_path):
    parts = everything_registered()
    assert len(parts) > 500
    for name in parts:
        assert is_known_part(name) == (name in PARTS), name
    for name in ("StrongSORT", "RFSearchHook", "DumpResults", "BertModel", "Albu", "Runner"):
        for scope in ("", "mmdet.", "mmengine."):
            message = refused(tmp_path, dict(model=dict(backbone=dict(type=scope + name))))
            assert f"'{scope}{name}' under 'type'" in message and "--trust-config" in message


def test_the_list_holds_no_misspelt_part():
    functions = {"nms", "soft_nms", "RoIAlign", "RoIPool"}  # looked up in mmcv.ops
    assert PARTS - set(everything_registered()) <= functions


def test_no_listed_part_lives_beside_code_made_of_text():
    reviewed = {"LocalVisBackend": "vis_backend.py", "TensorboardVisBackend": "vis_backend.py"}
    found = {
        name: Path(file).name
        for name, files in everything_registered().items()
        for file in files
        if name in PARTS and file and makers_of_code(Path(file))
    }
    assert found == reviewed


def test_every_place_that_makes_code_is_known():
    """A new release of a library that opens a hole fails here."""
    found = {
        path.relative_to(library.parent).as_posix()
        for library in LIBRARIES
        for path in library.rglob("*.py")
        if makers_of_code(path)
    }
    unknown = [name for name in found if not name.startswith(tuple(KNOWN))]
    assert not unknown, "look whether a data config reaches them"
    assert not [place for place in KNOWN if not any(name.startswith(place) for name in found)]


@pytest.mark.slow
def test_hostile_values_for_every_part_cause_nothing(tmp_path):
    program = Path(__file__).parents[2] / "programs/hostile_parts.py"
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["builds"] > 1000
    assert not report["ran"] and not report["events"], report["events"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (dict(test_cfg=dict(nms=dict(type="breakpoint"))), "'breakpoint' under 'type'"),
        (dict(test_cfg=dict(nms=dict(type="__import__('os')"))), "under 'type'"),
        (dict(a=[dict(b=dict(type=["ResNet"]))]), "under 'type'"),
        (dict(ann_file="x.pkl"), "'x.pkl' under 'ann_file': a pickle"),
        (dict(ann_file="x.PICKLE"), "a pickle"),
        (dict(data=["a.json", "dir/x.pkl.gz"]), "'dir/x.pkl.gz' under 'data': a pickle"),
        (dict(backend_args=dict(backend="memcached", sys_path="/x")), "under 'backend_args'"),
        (dict(backend_args=dict(backend="petrel")), "a store other than local and http"),
        (dict(x=dict(file_client_args=dict(backend="local", sys_path="x"))), "a store"),
        (dict(backend_args="memcached"), "a store"),
        (dict(compile=dict(options={"cpp.cxx": "sh"})), "under 'compile'"),
        (dict(compile=True), "under 'compile'"),
        (dict(launcher="pytorch"), "under 'launcher'"),
        (dict(env_cfg=dict(dist_cfg=dict(init_method="tcp://x:1"))), "under 'init_method'"),
        (dict(model_wrapper_cfg=dict(type="ResNet")), "under 'model_wrapper_cfg'"),
        (dict(work_dir="/etc"), "outside of the current folder"),
        (dict(test_evaluator=dict(outfile_prefix="a/../../b")), "outside"),
        (dict(h=dict(out_dir="~/../x")), "outside"),
        (dict(custom_imports=dict(imports=["mmdet.testing"])), "under 'custom_imports'"),
        (dict(custom_imports=dict(imports=[3])), "under 'custom_imports'"),
        (dict(custom_imports=["x"]), "under 'custom_imports'"),
        (dict(custom_imports="os"), "under 'custom_imports'"),
        (dict(model=dict(custom_imports=dict(imports="os"))), "under 'custom_imports'"),
        (dict(model=dict(type="")), "'' under 'type'"),
        (dict(model=dict(_scope_="os")), "under '_scope_'"),
    ],
)  # fmt: skip
def test_what_is_refused(content, what, tmp_path):
    message = refused(tmp_path, content)
    assert what in message and "--trust-config" in message


def test_an_output_through_a_link_is_outside(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    monkeypatch.chdir(inside)
    assert "outside" in refused(inside, dict(work_dir="link/x"))
    (inside / "fine.yaml").write_text("work_dir: runs/x\n")
    assert read_config(inside / "fine.yaml").work_dir == "runs/x"


def test_a_long_value_is_not_echoed_whole(tmp_path):
    assert len(refused(tmp_path, dict(model=dict(type="x" * 5000)))) < 500


def test_doubling_bases_end_soon(tmp_path):
    (tmp_path / "0.yaml").write_text("{}\n")
    for number in range(1, 30):
        (tmp_path / f"{number}.yaml").write_text(f"_base_: [{number - 1}.yaml, {number - 1}.yaml]")
    with pytest.raises(InputError, match="nested too deeply"):
        read_config(tmp_path / "29.yaml")


def test_pickles_and_stores_with_code_are_closed_for_programs_too(tmp_path):
    compat.install()
    (tmp_path / "x.pkl").write_bytes(b"cos\nsystem\n(S'touch x'\ntR.")
    with pytest.raises(InputError, match="pickle"):
        fileio.load(tmp_path / "x.pkl")
    with pytest.raises(InputError, match="pickle"):
        fileio.load(str(tmp_path / "x.pkl"), file_format="pickle")
    with pytest.raises(InputError, match="imports code"):
        fileio.get("x", backend_args=dict(backend="memcached", sys_path=str(tmp_path)))
