"""The model of prompt learning: a context, and CLIP's frozen text tower behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial

import torch
import torch.nn.functional as F
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn

from detpro.prompts.context import ContextPrompts, Position, word_embeds
from detpro.prompts.losses import prompt_loss
from vovtrack.errors import InputError
from vovtrack.registry import HOOKS, MODELS
from vovtrack.structures import Vocabulary

BACKGROUND_CONTEXT = 10
"""Vectors of the learned background prompt of mode ``learn``."""


def clean_name(name: str) -> str:
    """A class name as words: parentheses removed, underscores as spaces."""
    return name.replace("(", "").replace(")", "").replace("_", " ")


@MODELS.register_module()
class PromptLearner(BaseModel):
    """Learns a context shared by all classes, so that class texts classify region features.

    Source: DetPro (Du et al., CVPR 2022, section 3). Only the context has gradients and is
    saved; CLIP stays outside of the model's state.

    Args:
        clip: Config of :class:`~vovtrack.models.clip.encoder.ClipEncoder`.
        vocabulary: The classes, base and novel; training sees the base ones.
        num_context: Context vectors.
        position: Where the class name stands, see :class:`ContextPrompts`.
        mode: What background is taught, see :mod:`detpro.prompts.losses`.
        temperature: Divides cosines.
        init_std: Spread of the initial context.
        init_words: Start from the embeddings of these words instead, for example "a photo of a";
            their tokens count as ``num_context``.
        clean: Read LVIS names as words, see :func:`clean_name`.
        full_length: See :class:`ContextPrompts`.
    """

    def __init__(
        self,
        clip: dict,
        vocabulary: str | Sequence[str],
        num_context: int = 8,
        position: Position = "end",
        mode: str = "soft",
        temperature: float = 0.01,
        init_std: float = 0.02,
        init_words: str | None = None,
        clean: bool = True,
        full_length: bool = False,
    ) -> None:
        super().__init__()
        self.vocabulary = Vocabulary.load(vocabulary)
        self.clip = MODELS.build(clip)
        self.loss_of = prompt_loss(mode)
        self.temperature = temperature
        self._prompts_of = partial(
            ContextPrompts, num_context=num_context, position=position, full_length=full_length
        )
        self.words = [clean_name(n) if clean else n for n in self.vocabulary.names]
        width = self.clip.token_dims
        if init_words is None:
            start = init_std * torch.randn(num_context, width)
        else:
            start = word_embeds(self.clip, init_words)
            if len(start) != num_context:
                raise InputError(
                    f"init_words {init_words!r} has {len(start)} tokens, num_context is "
                    f"{num_context}: make them equal."
                )
        self.context = nn.Parameter(start)
        self.background_context = None
        if mode == "learn":
            self.background_context = nn.Parameter(
                init_std * torch.randn(BACKGROUND_CONTEXT, width)
            )
        self.register_buffer("class_weights", torch.empty(0), persistent=False)
        self._encoded: tuple[Tensor, Tensor] | None = None

    @cached_property
    def prompts(self) -> ContextPrompts:
        """Sentences of all classes; CLIP is read when they are first asked for."""
        return self._prompts_of(self.clip, self.words)

    @cached_property
    def base_prompts(self) -> ContextPrompts:
        """Sentences of the base classes."""
        novel = self.vocabulary.novel
        base = [word for word, is_novel in zip(self.words, novel, strict=True) if not is_novel]
        return self._prompts_of(self.clip, base)

    @cached_property
    def background_prompt(self) -> ContextPrompts:
        """The sentence of mode ``learn``: a context and no name."""
        return ContextPrompts(self.clip, [""], BACKGROUND_CONTEXT, ending="")

    @torch.no_grad()
    def class_embeds(self) -> Tensor:
        """Unit embeddings (C, D) of all classes, encoded again only if the context has changed.

        Every batch of a validation asks for them.
        """
        context = self.context.detach()
        kept = self._encoded
        if kept is None or kept[0].device != context.device or not torch.equal(kept[0], context):
            embeds = F.normalize(self.prompts.encode(context), dim=1)
            kept = self._encoded = context.clone(), embeds
        return kept[1]

    def forward(self, inputs: Tensor, labels: Tensor | None = None, mode: str = "tensor"):
        """Classify features.

        Args:
            inputs: (B, D) region features.
            labels: (B,) among the base classes, their number for background; in validation
                labels of the whole vocabulary, -1 for background.
            mode: ``loss``, ``predict`` or ``tensor``.

        Returns:
            A dict with ``loss_prompt``; a list with the probabilities (B, C) and labels; or the
            unit class embeddings (C, D), differentiable.
        """
        if mode == "tensor":
            return F.normalize(self.prompts.encode(self.context), dim=1)
        feats = F.normalize(inputs.float(), dim=1)
        if mode == "predict":
            logits = feats @ self.class_embeds().T / self.temperature
            return [dict(probabilities=torch.softmax(logits, dim=1), labels=labels)]
        assert labels is not None, "a loss needs labels"
        embeds = self.base_prompts.encode(self.context)
        if self.background_context is not None:
            background = self.background_prompt.encode(self.background_context)
            embeds = torch.cat([embeds, background])
        logits = feats @ F.normalize(embeds, dim=1).T / self.temperature
        return dict(loss_prompt=self.loss_of(logits, labels, self.class_weights))


@HOOKS.register_module()
class BalanceClassesHook(Hook):
    """Tells the model how often each class occurs in the training set."""

    def before_train(self, runner: Runner) -> None:
        """Copy the weights from the dataset."""
        model = getattr(runner.model, "module", runner.model)
        weights = runner.train_dataloader.dataset.class_weights
        model.class_weights = weights.to(model.context.device)
