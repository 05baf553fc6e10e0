"""CLIP's tokenizer for text towers with a small table of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class FoldedTokenizer:
    """CLIP's own tokenizer with its 49408 token ids folded into a small table.

    A mini text tower cannot afford a row for each id. Ordinary ids are taken modulo the number of
    rows, so every text has tokens and no word is unknown; words never trained on hit rows that
    still hold their small random initial value (or share the row of a trained word, with
    probability trained words / rows): such names get an embedding, but one without meaning.
    Padding keeps id 0; start and end keep the two highest ids, because CLIP reads the sentence
    embedding at the highest id.

    Args:
        vocab_size: Rows of the small token table.
        context_length: Length of every token row.
    """

    def __init__(self, vocab_size: int, context_length: int) -> None:
        from open_clip import SimpleTokenizer

        self._tokenizer = SimpleTokenizer(context_length=context_length)
        self.vocab_size = vocab_size
        self.sot_token_id = vocab_size - 2
        self.eot_token_id = vocab_size - 1

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return (N, context_length) int64 token ids below `vocab_size`."""
        ids = self._tokenizer(list(texts))
        length = ids.argmax(dim=1, keepdim=True) + 1
        folded = ids % (self.vocab_size - 3) + 1
        folded[ids == self._tokenizer.sot_token_id] = self.sot_token_id
        folded[ids == self._tokenizer.eot_token_id] = self.eot_token_id
        folded[torch.arange(ids.shape[1]) >= length] = 0
        return folded
