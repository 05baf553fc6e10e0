"""Gauss-Newton steps whose linear systems are solved by conjugate gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
TINY = torch.finfo(torch.float32).tiny
"""What is divided by is not below, so that a system that is solved stays so."""
Formula = Literal["fletcher-reeves", "polak-ribiere"]
Residuals = Callable[..., Tensors]
"""Parameters to what is to be small in the square, differentiable."""


class Linearized:
    """Residuals near some parameters.

    Args:
        residuals: Of the parameters.
        parameters: Where they are linearised.

    Attributes:
        values: The residuals there.
    """

    def __init__(self, residuals: Residuals, parameters: Sequence[Tensor]) -> None:
        self._at = [value.detach().requires_grad_() for value in parameters]
        with torch.enable_grad():
            self._found = residuals(*self._at)
            # The transposed product is linear in what it is of: its derivative is the product.
            self._of = [torch.zeros_like(value).requires_grad_() for value in self._found]
            self._back = torch.autograd.grad(self._found, self._at, self._of, create_graph=True)
        self.values: Tensors = tuple(value.detach() for value in self._found)

    def along(self, change: Tensors) -> Tensors:
        """How residuals change with parameters: the product with the Jacobian matrix."""
        return torch.autograd.grad(self._back, self._of, change, retain_graph=True)

    def back(self, values: Tensors) -> Tensors:
        """The product of residuals with the transposed Jacobian matrix."""
        return torch.autograd.grad(self._found, self._at, values, retain_graph=True)


@dataclass(frozen=True)
class ConjugateGradient:
    """How a linear system is solved.

    Attributes:
        iterations: Of the method, from a change of 0.
        formula: Of the next direction: that of Fletcher and Reeves or that of Polak and Ribiere,
            which differ by rounding alone.
        scales: Of each parameter, what its residual is divided by; None for 1.
    """

    iterations: int
    formula: Formula = "fletcher-reeves"
    scales: tuple[float, ...] | None = None

    def solve(self, system: Linearized) -> Tensors:
        """The change of parameters that makes linearised residuals small in the square."""
        residual = tuple(-value for value in system.back(system.values))
        change = direction = before = tuple(torch.zeros_like(value) for value in residual)
        last = residual[0].new_tensor(math.inf)
        for _ in range(self.iterations):
            scaled = self._scaled(residual)
            size = _dot(residual, scaled)
            is_new = size - _dot(before, scaled) if self.formula == "polak-ribiere" else size
            direction = _add(scaled, direction, (is_new / last).clamp(min=0))
            product = system.back(system.along(direction))
            step = size / _dot(direction, product).clamp(min=TINY)
            change = _add(change, direction, step)
            before, last = residual, size.clamp(min=TINY)
            residual = _add(residual, product, -step)
        return change

    def _scaled(self, residual: Tensors) -> Tensors:
        if self.scales is None:
            return residual
        return tuple(value / by for value, by in zip(residual, self.scales, strict=True))


def _dot(a: Tensors, b: Tensors) -> Tensor:
    return torch.stack([(x * y).sum() for x, y in zip(a, b, strict=True)]).sum()


def _add(a: Tensors, b: Tensors, factor: Tensor) -> Tensors:
    return tuple(x + factor * y for x, y in zip(a, b, strict=True))


def gauss_newton_step(
    residuals: Residuals, parameters: Tensors, method: ConjugateGradient
) -> Tensors:
    """The parameters that make residuals small in the square, as far as these are linear."""
    change = method.solve(Linearized(residuals, parameters))
    return tuple(value + more for value, more in zip(parameters, change, strict=True))
