"""Hostile weight files: each command refuses them with a sentence, and nothing of them runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import cv2
import hostile
import numpy as np
import pytest
import torch

from detpro.models.key_map import DETPRO
from vovtrack.cli.main import main
from vovtrack.engine.weights.checkpoint import latest_checkpoint, load_weights, save_weights
from vovtrack.engine.weights.conversion import convert
from vovtrack.engine.weights.inspection import inspect_checkpoint
from vovtrack.errors import InputError
from vovtrack.models.clip.text_bank import load_text_bank

ROOT = Path(__file__).resolve().parents[3]
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The hostile files, and the file that appears if one of them is run."""
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "it_ran"
    return hostile.write_weights(folder / "files", canary), canary


LOADERS = {
    "weights": load_weights,
    "convert": lambda path: convert(path, (DETPRO,)),
    "doctor": lambda path: inspect_checkpoint(path, (DETPRO,)),
    "text bank": load_text_bank,
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_every_file_is_refused_with_one_sentence_that_names_it(corpus, load):
    files, canary = corpus
    for path in files:
        with pytest.raises(InputError) as caught:
            load(path)
        message = str(caught.value)
        assert path.name in message and "\n" not in message and message.isprintable(), message
        assert not canary.exists(), path.name
    assert len(files) > 100
    assert not list(canary.parent.parent.glob("**/escaped"))


def test_the_careful_corpus_runs_code_when_opened_without_care(tmp_path):
    """The canary can sing: what is refused above would have run."""
    for name, call in hostile.calls(tmp_path / "it_ran").items():
        torch.save({"w": call}, tmp_path / "evil.pth")
        torch.load(tmp_path / "evil.pth", weights_only=False)
        for _ in range(100):  # one of them does not wait for its child
            if (tmp_path / "it_ran").exists():
                break
            os.sched_yield()
            subprocess.run(["true"])
        assert (tmp_path / "it_ran").exists(), name
        (tmp_path / "it_ran").unlink()


@pytest.mark.parametrize("form", ["pickle_{}_0", "pickle_{}_5", "torch_{}", "torch_{}_legacy"])
def test_the_refusal_tells_what_was_found_and_the_opt_in(corpus, form):
    files, canary = corpus
    for name in hostile.calls(canary):
        path = files[0].parent / f"{form.format(name)}.pth"
        with pytest.raises(InputError, match=rf"would execute '{name}'.*VOVTRACK_TRUST_PICKLE=1"):
            load_weights(path)


def test_memory_does_not_grow(corpus):
    """All files in a process of their own, whose memory is measured."""
    files, canary = corpus
    script = """
        import json, resource, sys
        from pathlib import Path
        from vovtrack.engine.weights.checkpoint import latest_checkpoint, load_weights
        from vovtrack.errors import InputError

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        grown = {}
        for path in sorted(Path(sys.argv[1]).iterdir()):
            before = peak()
            try:
                load_weights(path)
            except InputError:
                grown[path.name] = peak() - before
        print(json.dumps(grown))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(files[0].parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    grown = json.loads(done.stdout.splitlines()[-1])
    assert set(grown) == {path.name for path in files}
    too_much = {name: size for name, size in grown.items() if size * 1024 > 100 * MEGABYTE}
    assert not too_much
    assert not canary.exists()


COMMANDS = {
    "train": ["train", "configs/mini/ovtrack.py", "--cfg-options", "load_from={}"],
    "test": ["test", "configs/mini/ovtrack.py", "{}"],
    "track": ["track", "{frames}", "--json", "{out}", "--checkpoint", "{}"],
    "convert": ["convert", "{}", "{out}.safetensors"],
    "check": ["convert", "{}", "--check"],
    "doctor": ["doctor", "--checkpoint", "{}"],
    "export": ["export", "--slim", "{}", "{out}.safetensors"],
    "onnx": ["export", "--onnx", "{out}", "--checkpoint", "{}"],
}
SAMPLE = (
    "torch_posix.system.pth",
    "torch_subprocess.Popen_legacy.pth",
    "pickle_builtins.eval_4.pth",
    "zip_packed_bomb.pth",
    "zip_path_up.pth",
    "lying_stride_0.pth",
    "lying_overlap.safetensors",
    "cut_50.pth",
    "empty.pth",
)


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_refuses(corpus, words, tmp_path, monkeypatch, capsys):
    files, canary = corpus
    monkeypatch.chdir(ROOT)
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    cv2.imwrite(str(frames / "0.png"), np.zeros((48, 64, 3), np.uint8))
    for name in SAMPLE:
        path = files[0].parent / name
        filled = [word.format(path, frames=frames, out=out) for word in words]
        assert main(filled) == 2, name
        error = capsys.readouterr().err
        assert name in error and "Traceback" not in error, error
        assert not canary.exists() and list(tmp_path.iterdir()) == [frames]


@pytest.mark.parametrize("command", ["train", "test"])
def test_the_launched_scripts_refuse_without_a_traceback(corpus, command, tmp_path):
    """As a user starts them, the error also leaves the process with exit code 2."""
    files, canary = corpus
    evil = files[0].parent / "torch_posix.system.pth"
    words = [word.format(evil) for word in COMMANDS[command][1:]]
    done = subprocess.run(
        [sys.executable, f"tools/{command}.py", *words, "--work-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2, done.stderr
    assert "posix.system" in done.stderr and "Traceback" not in done.stderr
    assert not canary.exists()


def test_a_run_does_not_continue_from_it(corpus, tmp_path):
    files, canary = corpus
    for name in SAMPLE:
        if name.endswith(".pth"):
            (tmp_path / "epoch_1.pth").write_bytes((files[0].parent / name).read_bytes())
            with pytest.raises(InputError, match="epoch_1"), pytest.warns(UserWarning):
                latest_checkpoint(tmp_path)
    assert not canary.exists()


def test_doctor_does_not_heed_the_opt_in(corpus, monkeypatch):
    files, canary = corpus
    monkeypatch.setenv("VOVTRACK_TRUST_PICKLE", "1")
    with pytest.raises(InputError, match="posix.system"):
        inspect_checkpoint(files[0].parent / "torch_posix.system.pth", ())
    assert not canary.exists()


def test_the_config_inside_a_checkpoint_is_never_run(tmp_path):
    """Mmengine's inferencer executes ``meta['cfg']``; a plain text passes any unpickler."""
    canary = tmp_path / "it_ran"
    program = f"open({str(canary)!r}, 'w')\nmodel = dict()"
    meta = {"cfg": program, "config": program, "experiment_name": "x"}
    torch.save({"state_dict": {"w": torch.ones(1)}, "meta": meta}, tmp_path / "w.pth")
    save_weights({"w": torch.ones(1)}, tmp_path / "w.safetensors", {"cfg": program})
    for path in (tmp_path / "w.pth", tmp_path / "w.safetensors"):
        assert set(load_weights(path)) == {"w"}
        assert main(["doctor", "--checkpoint", str(path)]) == 0
        assert main(["convert", str(path), "--check"]) == 2
    assert not canary.exists()


def test_honest_files_of_every_layout_are_read(tmp_path):
    """The screening refuses no file that torch itself writes."""
    weights = {
        "float": torch.randn(3, 4).t(),
        "tied": torch.ones(5)[1:3],
        "half": torch.ones(2).half(),
        "bfloat": torch.ones(2).bfloat16(),
        "bool": torch.ones(2, dtype=torch.bool),
        "unsigned": torch.ones(2, dtype=torch.uint16),
        "none": torch.empty(0, 3),
        "scalar": torch.tensor(2),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    for legacy in (False, True):
        if legacy:
            del weights["unsigned"]  # torch itself cannot read these back from that format
        for name, content in (("bare", weights), ("nested", {"state_dict": weights})):
            (tmp_path / f"{name}.pth").write_bytes(hostile.saved(content, legacy=legacy))
            read = load_weights(tmp_path / f"{name}.pth")
            assert all(torch.equal(read[key], value) for key, value in weights.items())
