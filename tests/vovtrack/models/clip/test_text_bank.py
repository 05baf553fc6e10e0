import pickle

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from vovtrack.errors import InputError
from vovtrack.models import load_text_bank, save_text_bank
from vovtrack.structures import Vocabulary

BANK = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
UNIT = F.normalize(BANK, dim=-1)


@pytest.mark.parametrize(
    "content",
    [BANK, BANK[None], BANK.double(), {"embeddings": BANK, "names": list("abcde")}, {"x": BANK}],
    ids=["tensor", "leading axis", "double", "dict", "single entry"],
)
def test_layouts(tmp_path, content):
    path = tmp_path / "bank.pth"
    torch.save(content, path)
    bank = load_text_bank(path)
    assert bank.embeds.dtype == torch.float32
    torch.testing.assert_close(bank.embeds, UNIT)
    assert bank.names == (
        tuple("abcde") if isinstance(content, dict) and len(content) == 2 else None
    )


def test_half_precision_is_renormalised(tmp_path):
    torch.save(UNIT.half(), tmp_path / "bank.pt")
    torch.testing.assert_close(
        load_text_bank(tmp_path / "bank.pt").embeds.norm(dim=1), torch.ones(5), atol=1e-6, rtol=0
    )


def test_safetensors_round_trip(tmp_path):
    path = tmp_path / "deep" / "bank.safetensors"
    save_text_bank(path, UNIT, list("abcde"))
    bank = load_text_bank(path)
    torch.testing.assert_close(bank.embeds, UNIT)
    assert bank.names == tuple("abcde")
    assert [p.name for p in path.parent.iterdir()] == ["bank.safetensors"]


def test_safetensors_of_others_carry_no_names(tmp_path):
    save_file({"embeddings": BANK}, tmp_path / "bank.safetensors")
    bank = load_text_bank(tmp_path / "bank.safetensors")
    torch.testing.assert_close(bank.embeds, UNIT)
    assert bank.names is None


def test_background_row_of_released_lvis_files(tmp_path):
    bank = F.normalize(torch.randn(1204, 4), dim=-1)
    torch.save(bank, tmp_path / "bank.pt")
    found = load_text_bank(tmp_path / "bank.pt")
    torch.testing.assert_close(found.embeds, bank[:1203])
    assert found.names == Vocabulary.load("lvis_v1").names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"embeddings": BANK, "names": list("abc")}, "names 3 classes of 5 rows"),
        ({"embeddings": BANK, "names": "abcde"}, "'names' is not a list"),
        (BANK[0], "expected .classes, dimensions."),
        (BANK[None].repeat(2, 1, 1), "expected .classes, dimensions."),
        (torch.cat([BANK[:4], BANK[:1] * 0]), "row 4 is zero"),
        (torch.cat([BANK[:1] * float("nan"), BANK[:4]]), "row 0 is zero or not finite"),
        ({"a": BANK, "b": BANK}, "key 'embeddings'"),
        ([1, 2], "no embedding tensor"),
    ],
)
def test_refuses_content(tmp_path, content, message):
    torch.save(content, tmp_path / "bank.pt")
    with pytest.raises(InputError, match=message):
        load_text_bank(tmp_path / "bank.pt")


class Touch:
    """A pickle that creates a file when it is loaded without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_refuses_missing_damaged_and_unsafe_files(tmp_path):
    with pytest.raises(InputError, match="do not exist"):
        load_text_bank(tmp_path / "none.pt")
    torch.save(BANK, tmp_path / "cut.pt")
    (tmp_path / "cut.pt").write_bytes((tmp_path / "cut.pt").read_bytes()[:50])
    (tmp_path / "bad.safetensors").write_bytes(b"not at all")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Touch(tmp_path / "executed")))
    for name in ("cut.pt", "bad.safetensors", "empty.pth", "evil.pth"):
        with pytest.raises(InputError, match="cannot be read safely"):
            load_text_bank(tmp_path / name)
    assert not (tmp_path / "executed").exists()
