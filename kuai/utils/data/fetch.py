"""Reading one batch from a dataset; the same in the main process and in workers."""

from __future__ import annotations

from collections.abc import Callable

from ...engine import flush
from .collate import default_collate
from .dataset import Dataset, Subset, TensorDataset, read_many


class MapFetcher:
    """Reads the samples that indices name."""

    def __init__(self, dataset: Dataset, batched: bool, collate_fn: Callable, drop_last: bool):
        self.dataset, self.batched, self.collate_fn = dataset, batched, collate_fn

    def fetch(self, index: object) -> object:
        if not self.batched:
            return self.collate_fn(self.dataset[index])
        rows = self._rows(index) if self.collate_fn is default_collate else None  # type: ignore[arg-type]
        return self.collate_fn(read_many(self.dataset, index)) if rows is None else rows  # type: ignore[arg-type]

    def _rows(self, indices: list[int]) -> list | None:
        """Rows of tensors read by one op each, which is what collating samples of a TensorDataset comes to."""
        dataset = self.dataset
        while type(dataset) is Subset:
            indices, dataset = [dataset.indices[i] for i in indices], dataset.dataset
        return [t[indices] for t in dataset.tensors] if type(dataset) is TensorDataset else None


class IterableFetcher:
    """Reads the next samples, as many as a batch has."""

    def __init__(self, dataset: Dataset, batched: bool, collate_fn: Callable, drop_last: bool):
        self.samples, self.batched = iter(dataset), batched
        self.collate_fn, self.drop_last = collate_fn, drop_last
        self.ended = False

    def fetch(self, index: object) -> object:
        if self.ended:
            raise StopIteration
        if not self.batched:
            return self.collate_fn(next(self.samples))
        wanted = len(index)  # type: ignore[arg-type]
        batch = [x for _, x in zip(range(wanted), self.samples)]
        self.ended = len(batch) < wanted
        if not batch or (self.drop_last and self.ended):
            raise StopIteration
        return self.collate_fn(batch)


def read(fetcher: MapFetcher | IterableFetcher, index: object) -> object:
    """One batch, computed: so that the program of a training step does not begin with the reading of its data."""
    batch = fetcher.fetch(index)
    flush()
    return batch
