"""Quantisation-aware training: the student feels the rounding of int8 activations while it still learns.

The runtime quantises the input of every matrix product on the fly to 8 bits over the whole text. Here the same
rounding is simulated text by text in the forward pass, and gradients pass straight through it
(Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018, arXiv:1712.05877). Weights are quantised per channel
and lose so little that they are left alone. The packaged network spares outlier channels (``export.int8``); here
they are rounded with the rest, so that the student feels more than it will meet.
"""

from __future__ import annotations

from typing import Any

import torch


def round_activations(x: torch.Tensor) -> torch.Tensor:
    """`x` (batch, tokens, width) as unsigned 8-bit steps between each text's smallest and largest value."""
    with torch.no_grad():
        low = x.amin(dim=(1, 2), keepdim=True).clamp(max=0).float()
        high = x.amax(dim=(1, 2), keepdim=True).clamp(min=0).float()
        step = ((high - low) / 255).clamp_min(1e-8)
        rounded = ((x.float() - low) / step).round() * step + low
        difference = rounded.to(x.dtype) - x
    return x + difference


class ActivationRounding:
    """Switches the rounding of all encoder products of a BERT classifier on, once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self.on = False

    def enable(self) -> None:
        """Round from now on, in training and evaluation."""
        if self.on:
            return
        self.on = True
        for module in self._model.bert.encoder.modules():
            if isinstance(module, torch.nn.Linear):
                module.register_forward_pre_hook(lambda _, inputs: (round_activations(inputs[0]), *inputs[1:]))
