"""Class names behind context vectors instead of words: what prompt learning feeds to CLIP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from vovtrack.errors import InputError, one_of
from vovtrack.models.clip.encoder import ClipEncoder, Tokenizer, encode_token_embeds

PLACEHOLDER = "X"
"""A word of one token whose place a context vector takes."""

Position = Literal["end", "middle", "front"]


class ContextPrompts(nn.Module):
    """Sentences "[context] name." of CLIP, with room for K context vectors.

    Token embeddings of the names are looked up once; only the text tower runs for each new
    context, on its device. Source: DetPro (Du et al., CVPR 2022, eq. 3), after CoOp.

    Args:
        clip: The frozen CLIP.
        names: C class names, as they are; the empty name is allowed (context alone).
        num_context: K.
        position: Where the name stands: ``end`` behind the context, ``front`` before it,
            ``middle`` inside.
        full_length: Run CLIP's whole context instead of cutting it behind the longest sentence:
            the same result for more work.
        ending: Stands behind the name; one token, or nothing.

    Raises:
        InputError: No names, a name too long, or an unknown position.
    """

    token_embeds: Tensor
    order: Tensor
    end: Tensor

    def __init__(
        self,
        clip: ClipEncoder,
        names: Sequence[str],
        num_context: int = 8,
        position: Position = "end",
        full_length: bool = False,
        ending: str = ".",
    ) -> None:
        one_of("position", position, ("end", "middle", "front"))
        if not names or isinstance(names, str):
            raise InputError("prompt learning needs a list of class names.")
        super().__init__()
        self.clip = clip
        model, tokenizer = clip.load()
        sentences = [f"{PLACEHOLDER} " * num_context + name + ending for name in names]
        tokens = tokenizer(sentences)
        self._check(tokens, tokenizer, names, num_context)
        end = tokens.argmax(dim=1)
        self.length = tokens.shape[1] if full_length else int(end.max()) + 1
        self.num_context, self.ending = num_context, ending
        embeds = model.token_embedding(tokens[:, : self.length].to(clip.device)).detach()
        self.register_buffer("token_embeds", embeds, persistent=False)
        self.register_buffer("order", self._order(end, position), persistent=False)
        self.register_buffer("end", end, persistent=False)

    @property
    def context_dims(self) -> int:
        """Width of the token embeddings, hence of a context vector."""
        return self.token_embeds.shape[2]

    def _order(self, end: Tensor, position: Position) -> Tensor:
        """(C, L) which of [start, context, rest of the sentence] stands at each place."""
        count, place = self.num_context, torch.arange(self.length)
        lengths = end - count - 1 - len(self.ending)
        rows = []
        for length in lengths.tolist():
            context, name = place[1 : 1 + count], place[1 + count : 1 + count + length]
            rest = place[1 + count + length :]
            before = {"end": count, "middle": count // 2, "front": 0}[position]
            rows.append(torch.cat([place[:1], context[:before], name, context[before:], rest]))
        return torch.stack(rows)

    def _check(
        self, tokens: Tensor, tokenizer: Tokenizer, names: Sequence[str], num_context: int
    ) -> None:
        end = tokens.argmax(dim=1)
        last = tokens.shape[1] - 1
        for name, stop in zip(names, end.tolist(), strict=True):
            if stop >= last:
                raise InputError(
                    f"the class name {name!r} is too long: with {num_context} context vectors "
                    f"CLIP reads fewer than {tokens.shape[1]} tokens; shorten it"
                )
        placeholder = tokenizer([PLACEHOLDER])[0, 1]
        if not (tokens[:, 1 : 1 + num_context] == placeholder).all():
            raise InputError("this CLIP's tokenizer has no one-token placeholder for contexts.")

    def encode(self, context: Tensor) -> Tensor:
        """Embed all names with a context.

        Args:
            context: (K, W) vectors in the space of token embeddings.

        Returns:
            (C, D) text embeddings, not normalised; differentiable in ``context``.
        """
        model, _ = self.to(context.device).clip.to(context.device).load()
        count = len(self.token_embeds)
        shared = context.to(self.token_embeds).expand(count, -1, -1)
        start, rest = self.token_embeds[:, :1], self.token_embeds[:, 1 + self.num_context :]
        embeds = torch.cat([start, shared, rest], dim=1)
        order = self.order[..., None].expand_as(embeds)
        return encode_token_embeds(model, embeds.gather(1, order), self.end)


def word_embeds(clip: ClipEncoder, words: str) -> Tensor:
    """Token embeddings (K, W) of the tokens of ``words``, start and end left out."""
    model, tokenizer = clip.load()
    with clip.device:  # also where the prompts are built on the meta device
        tokens = tokenizer([words])[0]
        inside = tokens[1 : int(tokens.argmax())]
        return model.token_embedding(inside.to(clip.device)).detach().clone()
