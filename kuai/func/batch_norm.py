"""Batch norm under transforms of functions (``torch.func.replace_all_batch_norm_modules_``)."""

from __future__ import annotations

from ..nn.module import Module
from ..nn.normalization import _BatchNorm


def replace_all_batch_norm_modules_(root: Module) -> Module:
    """Let every batch norm of a module forget its running statistics, and use those of the batch
    (``torch.func.replace_all_batch_norm_modules_``).

    >>> import kuai as torch
    >>> net = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    >>> torch.func.replace_all_batch_norm_modules_(net)[0].running_mean
    """
    for module in root.modules():
        if isinstance(module, _BatchNorm):
            module.running_mean = module.running_var = module.num_batches_tracked = None  # type: ignore[assignment]
            module.track_running_stats = False  # type: ignore[assignment]
    return root
