"""Which row of a bank a class gets, whatever its list, order and category ids."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detpro.models.classifier import TextBankClassifier
from vovtrack.errors import InputError
from vovtrack.models.clip.text_bank import save_text_bank
from vovtrack.structures import Vocabulary

LVIS = Vocabulary.load("lvis_v1").names
ROWS = F.normalize(torch.randn(1204, 8, generator=torch.Generator().manual_seed(0)), dim=1)
MORE = ("striped red star", "Dragon", "aeroplane")


@pytest.fixture(scope="module")
def banks(tmp_path_factory) -> dict[str, tuple[str, dict[str, torch.Tensor]]]:
    """Files of embeddings, each with the row that it has for a name."""
    folder = tmp_path_factory.mktemp("banks")
    torch.save(ROWS[:1203], folder / "lvis.pt")
    torch.save(ROWS.half(), folder / "lvis_background.pth")
    names = [*MORE, *LVIS[::-5]]
    save_text_bank(folder / "named.safetensors", ROWS[: len(names)], names)
    torch.save(dict(embeddings=ROWS[: len(names)], names=names), folder / "named.pth")
    lvis, named = (dict(zip(known, ROWS, strict=False)) for known in (LVIS, names))
    found = dict(lvis=lvis, lvis_background=lvis, named=named)
    files = {"lvis": "pt", "lvis_background": "pth", "named": "safetensors"}
    paths = {name: (str(folder / f"{name}.{end}"), found[name]) for name, end in files.items()}
    return paths | {"named dict": (str(folder / "named.pth"), named)}


@st.composite
def vocabularies(draw, names: list[str]) -> Vocabulary:
    """Some of the names in any order, with ids of any scheme."""
    chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=12, unique=True))
    scheme = draw(st.sampled_from(["from 1", "from 0", "any"]))
    count = len(chosen)
    ids = {"from 1": range(1, count + 1), "from 0": range(count)}.get(scheme) or draw(
        st.lists(st.integers(0, 5000), min_size=count, max_size=count, unique=True)
    )
    return Vocabulary(tuple(chosen), tuple(ids), np.zeros(count, bool))


class NoEncoder:
    """An encoder that must not be asked: the file knows all names."""

    def to(self, device):
        raise AssertionError("the bank has these names")


@pytest.mark.parametrize("bank", ["lvis", "lvis_background", "named", "named dict"])
@pytest.mark.parametrize("with_encoder", [False, True])
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_class_gets_the_row_of_its_name(banks, bank, with_encoder, data):
    path, rows = banks[bank]
    vocabulary = data.draw(vocabularies(list(rows)))
    classifier = TextBankClassifier(8, text_bank=path)
    classifier.text_encoder = NoEncoder() if with_encoder else None
    classifier.set_vocabulary(vocabulary)
    expected = torch.stack([rows[name] for name in vocabulary.names])
    torch.testing.assert_close(classifier.class_embeds()[:-1], expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("ids", ["from 1", "coco", "lvis"])
def test_two_lvis_names_with_foreign_ids(banks, ids):
    lvis = Vocabulary.load("lvis_v1")
    names = ("dog", "cat")
    numbers = {
        "from 1": (1, 2),
        "coco": (18, 17),
        "lvis": tuple(lvis.category_ids[lvis.names.index(name)] for name in names),
    }
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0])
    classifier.set_vocabulary(Vocabulary(names, numbers[ids], np.zeros(2, bool)))
    expected = ROWS[[LVIS.index(name) for name in names]]
    torch.testing.assert_close(classifier.class_embeds()[:2], expected)


def test_synonyms_and_other_spellings_are_the_same_class(banks):
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0])
    classifier.set_vocabulary(Vocabulary.from_names(["Aeroplane", "alarm clock", "automobile"]))
    places = [LVIS.index(name) for name in ("airplane", "alarm_clock", "car_(automobile)")]
    torch.testing.assert_close(classifier.class_embeds()[:3], ROWS[places])


class Encoder:
    """Remembers what it was asked and where it ran."""

    def to(self, device):
        self.device = torch.device(device)
        return self

    def encode(self, names):
        self.names = list(names)
        return torch.eye(8)[: len(names)]


def test_one_unknown_name_sends_all_names_to_the_encoder(banks):
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0])
    classifier.text_encoder = Encoder()
    classifier.set_vocabulary(Vocabulary.from_names(["dog", "dragon"]))
    torch.testing.assert_close(classifier.class_embeds()[:2], torch.eye(8)[:2])
    assert classifier.text_encoder.names == ["dog", "dragon"]
    assert classifier.text_encoder.device == classifier.background.weight.device


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["dog", "dragon"], r"for 1 of 2 classes \(dragon\) in .*lvis\.pt"),
        # Both are synonyms of "person": one row cannot tell them apart.
        (["man", "woman", "dog"], r"for 2 of 3 classes \(man, woman\)"),
    ],
)
def test_unknown_names_are_told_where_nothing_encodes_them(banks, names, message):
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0])
    classifier.set_vocabulary(Vocabulary.from_names(names))
    with pytest.raises(InputError, match=message):
        classifier.class_embeds()


def test_a_file_without_names_has_one_row_per_class(tmp_path):
    torch.save(ROWS[:3], tmp_path / "bank.pt")
    classifier = TextBankClassifier(8, text_bank=str(tmp_path / "bank.pt"))
    classifier.set_vocabulary(Vocabulary.from_names(["b", "a", "c"]))
    torch.testing.assert_close(classifier.class_embeds()[:3], ROWS[:3])
    classifier.set_vocabulary(Vocabulary.from_names(["b", "a"]))
    with pytest.raises(InputError, match=r"shape \(3, 8\), but 2 classes"):
        classifier.class_embeds()


def test_class_rows_are_divided_once_per_vocabulary_and_temperature(banks):
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0], context=["cow", "lemon"])
    classifier.set_vocabulary(Vocabulary.from_names(["dog", "cat"]))
    embeds = F.normalize(torch.randn(5, 8), dim=1)
    weights = []
    for temperature in (0.1, 0.5, 0.1):
        classifier.logits(embeds, temperature)
        weights.append(classifier._named_weights(temperature, embeds.device))
    assert weights[0] is weights[2] and weights[0] is not weights[1]
    before = classifier.logits(embeds, 0.1)
    classifier.set_vocabulary(Vocabulary.from_names(["cat", "dog"]))
    after = classifier.logits(embeds, 0.1)
    torch.testing.assert_close(after[:, [1, 0, 2]], before)


def test_the_learned_background_is_seen_at_once(banks):
    classifier = TextBankClassifier(8, text_bank=banks["lvis"][0])
    classifier.set_vocabulary(Vocabulary.from_names(["dog", "cat"]))
    embeds = F.normalize(torch.randn(5, 8), dim=1)
    optimizer = torch.optim.SGD(classifier.background.parameters(), lr=1.0)
    first = classifier.logits(embeds, 0.1)
    first[:, -1].sum().backward()
    optimizer.step()
    second = classifier.logits(embeds, 0.1)
    assert torch.equal(first[:, :2], second[:, :2])
    expected = embeds @ classifier.class_embeds()[-1] / 0.1
    torch.testing.assert_close(second[:, 2], expected)
    assert (first[:, 2] - second[:, 2]).abs().max() > 0.1
