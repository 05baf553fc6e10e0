"""Captions of crops: the words they are made of, and the losses that give words a meaning.

A class name is "pattern colour shape". Every word of a name, and every word for the state in which
an object is seen, has a direction of its own, orthogonal to all others, from the start. Images are
drawn to the directions of what they show, and sentences such as "a photo of an occluded solid red
star" to the sum of the directions of the words they name. So names never seen in training, made of
words that were, land in the right place, and the image tower does not chase words that still move.
Only names of classes that have training crops are ever put into captions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vovtrack.models.clip.templates import lvis_templates
from vovtrack.synthetic.states import STATES

_WORD_TEMPLATES = ("a {} thing", "something {}", "a photo of a {} object")
_STATE_TEMPLATES = {
    "clear": ("a clear {}", "a clear photo of a {}"),
    "occluded": ("an occluded {}", "a photo of an occluded {}"),
    "truncated": ("a truncated {}", "a photo of a truncated {}"),
    "blurry": ("a blurry {}", "a blurry photo of a {}"),
    "dark": ("a dark {}", "a photo of a {} in the dark"),
}
_THINGS = ("thing", "object")
_COLOUR = 1
"""Position of the colour in a class name."""


class Captions:
    """Words, their directions, and random sentences made of them.

    Args:
        names: Class names, all of as many words.
        trained: Positions of the names that captions may use.
        embed_dim: D, at least the number of words.
        seed: Seed of the directions and of the sentences.

    Attributes:
        words: The W words of the names, place by place, then the states.
        directions: (W, D) orthogonal unit vectors.
    """

    def __init__(
        self, names: Sequence[str], trained: Sequence[int], embed_dim: int, seed: int
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._names = [names[label] for label in trained]
        columns = zip(*(name.split() for name in self._names), strict=True)
        self._places = [sorted(set(column)) for column in columns]
        self.words = [word for place in self._places for word in place] + list(STATES)
        directions, _ = np.linalg.qr(self._rng.normal(size=(embed_dim, len(self.words))))
        self.directions = torch.from_numpy(directions.T.astype(np.float32))
        self._index = torch.zeros(len(names), len(self._places), dtype=torch.long)
        for label, name in zip(trained, self._names, strict=True):
            for k, word in enumerate(name.split()):
                self._index[label, k] = self._places[k].index(word)

    def image_loss(
        self, images: Tensor, labels: Tensor, states: Tensor, scale: Tensor, true_colours: int
    ) -> Tensor:
        """Compare images with words.

        A colour and a shape leave out one pattern, that of the novel class. Colours are easy, so
        a network that sees all three guesses the rest: it would never name a novel class. Hence
        crops of true colours teach colours, the others patterns and shapes.

        Args:
            images: (N, D) unit embeddings.
            labels: (N,) classes.
            states: (N, S) bool, the states that apply.
            scale: Scalar inverse temperature.
            true_colours: How many of the images, the first ones, show their true colours.

        Returns:
            Sum of the cross entropies of every word of a name against the words that could stand
            in its place, and that of the states, see `state_loss`.
        """
        logits = scale * images @ self.directions.T
        *places, of_states = logits.split([*map(len, self._places), len(STATES)], dim=1)
        shown, hidden = slice(true_colours), slice(true_colours, None)
        named = [
            F.cross_entropy(place[part], self._index[labels[part], k])
            for k, place in enumerate(places)
            for part in [shown if k == _COLOUR else hidden]
        ]
        return torch.stack(named).sum() + state_loss(of_states, states)

    def draw(self, count: int) -> tuple[list[str], Tensor]:
        """Draw sentences, and where they belong.

        Args:
            count: Sentences with a class name; each third also names a state.

        Returns:
            K sentences, among them one for every single word and the bare words, and (K, D) unit
            sums of the directions of their words.
        """
        drawn = [(word, [word]) for word in self.words]
        drawn += [(self._word(word), [word]) for word in self.words]
        for number, row in enumerate(self._rng.integers(len(self._names), size=count)):
            name = self._names[row]
            if number % 3:
                drawn.append((self._pick(lvis_templates()).format(name), name.split()))
            else:
                state = self._pick(STATES)
                sentence = self._pick(_STATE_TEMPLATES[state]).format(name)
                drawn.append((sentence, [*name.split(), state]))
        members = torch.zeros(len(drawn), len(self.words))
        for row, (_, parts) in enumerate(drawn):
            members[row, [self.words.index(part) for part in parts]] = 1
        sentences = [sentence for sentence, _ in drawn]
        return sentences, F.normalize(members @ self.directions, dim=1)

    def _word(self, word: str) -> str:
        """Put a single word into a sentence; nouns into those of run time."""
        if word in _STATE_TEMPLATES:
            return self._pick(_STATE_TEMPLATES[word]).format(self._pick(_THINGS))
        templates = lvis_templates() if word in self._places[-1] else _WORD_TEMPLATES
        return self._pick(templates).format(word)

    def _pick(self, choices: Sequence[str]) -> str:
        return choices[int(self._rng.integers(len(choices)))]


def state_loss(logits: Tensor, states: Tensor) -> Tensor:
    """Compute the cross entropy of each state that applies against those that do not.

    Args:
        logits: (N, S) scaled cosines of images with state words.
        states: (N, S) bool, at least one per image.

    Returns:
        Mean over the images of the mean over their states.
    """
    others = logits.masked_fill(states, -torch.inf).logsumexp(dim=1, keepdim=True)
    losses = torch.logaddexp(logits, others) - logits
    return ((losses * states).sum(dim=1) / states.sum(dim=1)).mean()
