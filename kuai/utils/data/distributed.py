"""A sampler that gives each process of a group its own part of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized

from ...ops.random import randperm
from ...random import Generator
from .sampler import Sampler


class DistributedSampler(Sampler[int]):
    """The indices that one of ``num_replicas`` processes reads (``torch.utils.data.DistributedSampler``).

    All processes get equally many: indices are repeated, or with ``drop_last`` left out, to make the length even.

    >>> import kuai as torch
    >>> list(torch.utils.data.DistributedSampler([5, 6, 7, 8], num_replicas=2, rank=1, shuffle=False))
    [1, 3]
    """

    def __init__(self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
                 seed: int = 0, drop_last: bool = False):  # fmt: skip
        if num_replicas is None or rank is None:
            from ... import distributed

            num_replicas = distributed.get_world_size() if num_replicas is None else num_replicas
            rank = distributed.get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        round_ = math.floor if drop_last else math.ceil
        self.num_samples = round_(len(dataset) / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        order = list(range(n))
        if self.shuffle:
            order = randperm(n, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        even = [order[i % n] for i in range(self.total_size)]
        return iter(even[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, so that each has an order of its own."""
        self.epoch = epoch
