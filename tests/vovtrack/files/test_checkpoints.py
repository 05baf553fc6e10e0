"""Checkpoints: what would run code is refused, by our door and by mmengine's."""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from mmengine.fileio import get_file_backend
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_checkpoint

from vovtrack.engine.weights.checkpoint import (
    load_checkpoint_into,
    load_weights,
    read_metadata,
    save_weights,
)
from vovtrack.errors import InputError
from vovtrack.files.checkpoints import ObjectState, load_checkpoint_file
from vovtrack.registry import MODELS


class Reduction:
    """Pickles into what it is given."""

    def __init__(self, reduction):
        self.reduction = reduction

    def __reduce__(self):
        return self.reduction


class Command(Reduction):
    """Pickles into a call of ``function(*args)``."""

    def __init__(self, function, *args):
        super().__init__((function, args))


@pytest.fixture
def model():
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))


@pytest.fixture(params=["system", "getattr"])
def evil(request, tmp_path):
    """A checkpoint that leaves a file behind when it is unpickled carelessly."""
    trace = tmp_path / "it_ran"
    payload = {
        "system": Command(os.system, f"touch {trace}"),
        "getattr": Command(getattr, HistoryBuffer, "__init__"),
    }[request.param]
    path = tmp_path / "evil.pth"
    torch.save({"state_dict": {}, "meta": payload}, path)
    return path, trace


def test_code_in_a_pickle_is_refused_and_not_run(evil, model):
    path, trace = evil
    for load in (load_weights, lambda p: load_checkpoint(model, str(p))):
        with pytest.raises(InputError, match=r"was not run.*VOVTRACK_TRUST_PICKLE"):
            load(path)
    assert not trace.exists()


def test_the_opt_in_is_explicit(tmp_path, model, monkeypatch):
    path = tmp_path / "odd.pth"
    torch.save({"state_dict": model.state_dict(), "meta": Command(pickle.loads, b"N.")}, path)
    with pytest.raises(InputError):
        load_weights(path)
    monkeypatch.setenv("VOVTRACK_TRUST_PICKLE", "1")
    assert set(load_weights(path)) == set(model.state_dict())


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_truncated_files_are_named(tmp_path, model, part, suffix):
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "pth":
        torch.save(model.state_dict(), whole)
    else:
        save_weights(model, whole)
    cut = tmp_path / f"cut.{suffix}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * part)])
    with pytest.raises(InputError, match="cut"):
        load_weights(cut)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        load_weights(tmp_path / "nothing.pth")


def test_weights_and_their_description_survive(tmp_path, model):
    path = tmp_path / "w.safetensors"
    save_weights(model, path, {"source": "a test"})
    assert read_metadata(path) == {"source": "a test"}
    for key, value in load_weights(path).items():
        assert torch.equal(value, model.state_dict()[key])


def test_partial_loads_are_refused(tmp_path, model):
    path = tmp_path / "w.safetensors"
    weights = dict(model.state_dict())
    del weights["1.num_batches_tracked"]
    save_weights(weights, path)
    load_checkpoint_into(model, path)
    save_weights({k: v for k, v in weights.items() if k != "0.bias"}, path)
    with pytest.raises(InputError, match=r"lacks 1 .*0\.bias"):
        load_checkpoint_into(model, path)
    save_weights({**weights, "2.weight": torch.ones(1)}, path)
    with pytest.raises(InputError, match=r"unexpected 1 .*2\.weight"):
        load_checkpoint_into(model, path)
    save_weights({**weights, "0.bias": torch.ones(5)}, path)
    with pytest.raises(InputError, match=r"size mismatch.*0\.bias"):
        load_checkpoint_into(model, path)


def test_mmengine_writes_atomically(tmp_path, monkeypatch):
    target = tmp_path / "epoch_1.pth"
    backend = get_file_backend(str(target))
    backend.put(b"first", target)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(OSError, match="No space"):
            backend.put(b"second", target)
    assert target.read_bytes() == b"first"
    assert [p.name for p in tmp_path.iterdir()] == ["epoch_1.pth"]


@MODELS.register_module()
class LineModel(BaseModel):
    """Fits a line."""

    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def forward(self, x, mode="tensor"):
        """Loss of a batch."""
        return {"loss": (self.line(x) - x).square().mean()}


def make_runner(work_dir, epochs, **kwargs):
    return Runner(
        model=dict(type="LineModel"),
        work_dir=str(work_dir),
        train_dataloader=dict(
            batch_size=2,
            dataset=[dict(x=torch.ones(1) * i) for i in range(4)],
            sampler=dict(type="DefaultSampler", shuffle=True),
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.01)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1)),
        default_scope="mmdet",
        experiment_name=f"line{epochs}{len(kwargs)}",
        randomness=dict(seed=0),
        **kwargs,
    )


def test_the_runner_trains_saves_and_resumes_safely(tmp_path):
    make_runner(tmp_path, 1).train()
    resumed = make_runner(tmp_path, 2, resume=True)
    resumed.train()
    assert resumed.epoch == 2 and (tmp_path / "epoch_2.pth").exists()


def test_the_runner_starts_from_safetensors(tmp_path):
    source = LineModel()
    save_weights(source, tmp_path / "w.safetensors")
    runner = make_runner(tmp_path, 1, load_from=str(tmp_path / "w.safetensors"))
    runner.load_or_resume()
    assert torch.equal(runner.model.line.weight.cpu(), source.line.weight)


def renamed(path, replacements):
    """Copy of a checkpoint whose pickle names other globals, as an older library wrote them."""
    copy = path.with_name("renamed.pth")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                for old, new in replacements.items():
                    content = content.replace(old, new)
            target.writestr(name, content)
    return copy


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_numpy_content_of_any_age_is_read(tmp_path, core):
    content = {
        "scalars": [np.float64(0.5), np.float32(2), np.int8(-3), np.bool_(True), np.uint64(7)],
        "arrays": [np.arange(6, dtype=">i4").reshape(2, 3), np.asfortranarray(np.eye(3)[:, :2])],
        "text": np.array(["ab", "c"]),
    }
    torch.save(content, tmp_path / "a.pth")
    path = renamed(tmp_path / "a.pth", {b"cnumpy._core.": b"c" + core + b"."})
    read = load_checkpoint_file(path)
    assert read["scalars"] == content["scalars"]
    assert [type(x) for x in read["scalars"]] == [type(x) for x in content["scalars"]]
    for ours, original in zip(
        [*read["arrays"], read["text"]], [*content["arrays"], content["text"]], strict=True
    ):
        np.testing.assert_array_equal(ours, original)
    torch.save(read, tmp_path / "again.pth")
    np.testing.assert_array_equal(load_checkpoint_file(tmp_path / "again.pth")["text"], ["ab", "c"])


def test_object_arrays_are_refused(tmp_path):
    torch.save({"a": np.array([print, None])}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="was not run"):
        load_checkpoint_file(tmp_path / "a.pth")


def test_a_file_cannot_turn_numbers_into_pointers(tmp_path):
    """Numpy's dtypes accept a pickled state whose flags make int64 hold object pointers."""
    dtype = Reduction((np.dtype, ("i8", False, True), (3, "<", None, None, None, -1, -1, 0x3F)))
    reconstruct, args, state = np.arange(2).__reduce__()
    state = (*state[:2], dtype, *state[3:])
    torch.save({"evil": Reduction((reconstruct, args, state))}, tmp_path / "a.pth")
    read = load_checkpoint_file(tmp_path / "a.pth")["evil"]
    assert read.dtype.flags == 0 and read.tolist() == [0, 1]


def test_the_history_of_a_run_survives(tmp_path):
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    torch.save({"history": history}, tmp_path / "a.pth")
    read = load_checkpoint_file(tmp_path / "a.pth")["history"]
    read.update(8.0)
    assert (read.statistics("mean"), read.max(), read.current()) == (4.0, 8.0, 8.0)
    torch.save({"history": read}, tmp_path / "b.pth")
    assert load_checkpoint_file(tmp_path / "b.pth")["history"].min() == 1.0


def test_a_flipped_bit_is_found(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"w": torch.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    content[content.find(torch.ones(4).numpy().tobytes()) + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged.*checksum.*data/0"):
        load_weights(path)


@pytest.fixture
def web(tmp_path, monkeypatch):
    """Address of a server of the folder ``tmp_path``; torch's cache lies beside it."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    handler = functools.partial(QuietHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_fetched_checkpoints_are_read_as_strictly(evil, web, model):
    path, trace = evil
    with pytest.raises(InputError, match="was not run"):
        load_checkpoint(model, f"{web}/{path.name}")
    assert not trace.exists()


def test_weights_are_fetched_once(tmp_path, web, model):
    for suffix, save in (("pth", torch.save), ("safetensors", save_weights)):
        source = tmp_path / f"w.{suffix}"
        save(model.state_dict(), source)
        load_checkpoint(model, f"{web}/{source.name}", strict=True)
        source.unlink()
        load_checkpoint(model, f"{web}/{source.name}", strict=True)
    with pytest.raises(InputError, match=r"nowhere\.pth' cannot be fetched.*404"):
        load_checkpoint(model, f"{web}/nowhere.pth")


def test_a_killed_writer_leaves_the_previous_file(tmp_path):
    target = tmp_path / "epoch_1.pth"
    target.write_bytes(b"whole")
    script = f"""
        import os, signal
        from mmengine.fileio import LocalBackend
        from vovtrack.compat import mmengine_files
        mmengine_files.install()
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        LocalBackend().put(b"half of the new one", {str(target)!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)])
    assert done.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"whole"


def test_options_of_a_training_program_are_read_as_what_they_are(tmp_path):
    options = argparse.Namespace(lr=0.1, sizes=[1, 2], nested=argparse.Namespace(amp=True))
    torch.save(dict(model={"a": torch.ones(2)}, args=options), tmp_path / "a.pth")
    found = load_checkpoint_file(tmp_path / "a.pth")["args"]
    assert found == dict(lr=0.1, sizes=[1, 2], nested=dict(amp=True))


def test_tensors_hidden_in_options_count(tmp_path):
    huge = argparse.Namespace(x=torch.zeros(1).expand(1 << 30))
    torch.save(dict(model={"a": torch.ones(2)}, args=huge), tmp_path / "a.pth")
    with pytest.raises(InputError, match="larger than the file"):
        load_checkpoint_file(tmp_path / "a.pth")


PROGRAM = """
import pathlib
pathlib.Path({trace!r}).touch()


class Settings:
    def __new__(cls, *args):
        pathlib.Path({trace!r}).touch()
        return object.__new__(cls)

    def __setstate__(self, state):
        pathlib.Path({trace!r}).touch()
        self.__dict__.update(state)
"""


@pytest.fixture(params=[False, True], ids=["archive", "legacy"])
def of_a_program(request, tmp_path, monkeypatch):
    """A training checkpoint with objects of a program that leaves a trace wherever it runs."""
    trace = tmp_path / "it_ran"
    (tmp_path / "program").mkdir()
    (tmp_path / "program/training_program.py").write_text(PROGRAM.format(trace=str(trace)))
    monkeypatch.syspath_prepend(tmp_path / "program")
    program = importlib.import_module("training_program")
    settings, nested = program.Settings(), program.Settings()
    nested.path, nested.tensor = "somewhere", torch.ones(2)
    settings.batch, settings.env, settings.kind = 10, nested, program.Settings
    content = dict(net={"w": torch.arange(3.0)}, settings=settings, epoch=50)
    torch.save(content, tmp_path / "a.pth.tar", _use_new_zipfile_serialization=not request.param)
    sys.modules.pop("training_program")
    trace.unlink()
    return tmp_path / "a.pth.tar", trace


def test_objects_of_a_program_are_read_as_their_attributes(of_a_program):
    path, trace = of_a_program
    content = load_checkpoint_file(path, objects=True)
    assert content["epoch"] == 50 and content["net"]["w"].tolist() == [0, 1, 2]
    settings = content["settings"]
    assert type(settings) is ObjectState and settings["kind"] is ObjectState
    assert settings["batch"] == 10 and settings["env"]["path"] == "somewhere"
    assert settings["env"]["tensor"].tolist() == [1, 1]
    assert not trace.exists() and "training_program" not in sys.modules
    torch.load(path, weights_only=False)
    assert trace.exists(), "without care it would have run"
    sys.modules.pop("training_program")


def test_who_does_not_ask_for_objects_is_told_who_does(of_a_program):
    path, trace = of_a_program
    with pytest.raises(InputError, match=r"training_program\.Settings.*vovtrack convert.*TRUST"):
        load_weights(path)
    assert not trace.exists() and "training_program" not in sys.modules


def test_tensors_hidden_in_objects_count(of_a_program):
    path, _ = of_a_program
    content = load_checkpoint_file(path, objects=True)
    huge = argparse.Namespace(x=torch.zeros(1).expand(1 << 30))
    torch.save({**content, "settings": huge}, path)
    with pytest.raises(InputError, match="larger than the file"):
        load_checkpoint_file(path, objects=True)


def test_states_of_any_kind_are_kept():
    for state, kept in (({"a": 1}, {"a": 1}), ((1, 2), {"state": (1, 2)}), (None, {"state": None})):
        found = ObjectState()
        found.__setstate__(state)
        assert found == kept
