"""DataLoader: batches from a dataset, read here or by worker processes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Generic, TypeVar

from ...random import Generator
from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .fetch import IterableFetcher, MapFetcher, read
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler, draw_seed

_collate_fn_t = Callable[[list[Any]], Any]
_worker_init_fn_t = Callable[[int], None]
T_co = TypeVar("T_co", covariant=True)


class _Endless(Sampler):
    """The sampler of an iterable dataset, which has no indices."""

    def __iter__(self) -> Iterator:
        return repeat(None)


class DataLoader(Generic[T_co]):
    """Batches from a dataset (``torch.utils.data.DataLoader``), in the order and with the draws of PyTorch.

    With ``num_workers`` > 0 that many processes read ahead, ``prefetch_factor`` batches each. An exception in a worker is
    raised here, with the worker's traceback. ``pin_memory`` is accepted and does nothing: memory is not pinned.

    >>> import kuai as torch
    >>> from kuai.utils.data import DataLoader, TensorDataset
    >>> for x, in DataLoader(TensorDataset(torch.arange(5)), batch_size=2):
    ...     print(x)
    tensor([0, 1])
    tensor([2, 3])
    tensor([4])
    """

    _fixed = False

    def __init__(self, dataset: Dataset, batch_size: int | None = 1, shuffle: bool | None = None,
                 sampler: Sampler | Iterable | None = None, batch_sampler: Sampler | Iterable | None = None,
                 num_workers: int = 0, collate_fn: Callable | None = None, pin_memory: bool = False,
                 drop_last: bool = False, timeout: float = 0, worker_init_fn: Callable | None = None,
                 multiprocessing_context: object = None, generator: Generator | None = None, *,
                 prefetch_factor: int | None = None, persistent_workers: bool = False, pin_memory_device: str = "",
                 in_order: bool = True):  # fmt: skip
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        _check_batching(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)
        self.dataset, self.num_workers, self.timeout = dataset, num_workers, timeout
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.worker_init_fn, self.multiprocessing_context = worker_init_fn, multiprocessing_context
        self.generator, self.persistent_workers, self.in_order = generator, persistent_workers, in_order
        self.sampler = sampler if sampler is not None else self._default_sampler(bool(shuffle))
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)
        self.batch_size, self.batch_sampler, self.drop_last = batch_size, batch_sampler, drop_last
        self.collate_fn = collate_fn or (default_collate if self._auto_collation else default_convert)
        self._pool = None
        self._fixed = True

    def __setattr__(self, name: str, value: object) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
        if self._fixed and name in fixed:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """How worker processes start: a context of `multiprocessing`, set as one or by its name; None for the usual one."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: object) -> None:
        if context is not None and not self.num_workers:
            raise ValueError("multiprocessing_context can only be used with multi-process loading (num_workers > 0), but got num_workers=0")
        self._context = None if context is None else _context_of(context)

    def _default_sampler(self, shuffle: bool) -> Sampler:
        if self._iterable:
            return _Endless()
        if shuffle:
            return RandomSampler(self.dataset, generator=self.generator)  # type: ignore[arg-type]
        return SequentialSampler(self.dataset)  # type: ignore[arg-type]

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Iterable:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)  # type: ignore[arg-type]
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else math.ceil(length / self.batch_size)

    def __iter__(self) -> BatchIterator:
        return BatchIterator(self) if self.num_workers == 0 else WorkerIterator(self)

    @property
    def _dataset_kind(self) -> type:
        return IterableFetcher if self._iterable else MapFetcher


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent: bool) -> None:
    if num_workers < 0:
        raise ValueError("num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.")
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError("prefetch_factor option could only be specified in multiprocessing: let num_workers > 0")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle: bool | None, sampler: object, batch_sampler: object) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def _check_batching(batch_size: int | None, shuffle: bool, sampler: object, batch_sampler: object, drop_last: bool) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
        raise ValueError("batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last")
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")


class _DatasetKind:
    """How samples are read, for programs that bring a loader of their own: by indices, or one after the other."""

    Map, Iterable = MapFetcher, IterableFetcher


class BatchIterator:
    """One pass over a loader's dataset, read in this process."""

    def __init__(self, loader: DataLoader):
        self.loader = loader
        self.indices = iter(loader._index_sampler)
        self._begin()

    def _begin(self) -> None:
        loader = self.loader
        if loader.timeout:
            raise AssertionError(f"DataLoader: timeout={loader.timeout} is for worker processes; it needs num_workers > 0")
        draw_seed(loader.generator)  # PyTorch draws it here, workers or not
        make = loader._dataset_kind
        self.fetcher = make(loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last)

    def __iter__(self) -> BatchIterator:
        return self

    def __len__(self) -> int:
        return len(self.loader._index_sampler)  # type: ignore[arg-type]

    def __next__(self) -> object:
        return read(self.fetcher, next(self.indices))


class WorkerIterator(BatchIterator):
    """One pass over a loader's dataset, read by worker processes."""

    def _begin(self) -> None:
        from .workers import Round

        loader = self.loader
        if not loader.prefetch_factor:
            raise AssertionError("DataLoader: prefetch_factor=0 lets no worker read anything; it must be at least 1")
        self.pool = loader._pool or self._make_pool()
        if loader.persistent_workers:
            loader._pool = self.pool
        self.round = Round(self.pool, self.indices, loader.prefetch_factor, loader.timeout, loader.in_order)

    def _make_pool(self):
        import multiprocessing

        from .workers import Job, Pool

        loader = self.loader
        context = loader.multiprocessing_context or multiprocessing.get_context(_start_method())
        job = Job(loader.dataset, loader._dataset_kind, loader._auto_collation, loader.collate_fn, loader.drop_last,
                  loader.worker_init_fn)  # fmt: skip
        return Pool(job, loader.num_workers, draw_seed(loader.generator), context)

    def __next__(self) -> object:
        try:
            return self.round.next()
        except StopIteration:
            if not self.loader.persistent_workers:
                self.pool.close()
            raise


# PyTorch's names, which programs ask for.
_BaseDataLoaderIter = _SingleProcessDataLoaderIter = BatchIterator
_MultiProcessingDataLoaderIter = WorkerIterator


def _context_of(context: object) -> object:
    """A context of `multiprocessing`, given as one or by its name."""
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        if context not in multiprocessing.get_all_start_methods():
            raise ValueError(
                f"multiprocessing_context option should specify a valid start method in {multiprocessing.get_all_start_methods()}, "
                f"but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string that names the start method, but got "
            f"{context!r}"
        )
    return context


def _start_method() -> str:
    """Fork where there is one, as PyTorch's programs hand over what no pickle holds."""
    import multiprocessing

    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
