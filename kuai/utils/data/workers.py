"""Worker processes that read batches ahead."""

from __future__ import annotations

import os
import queue
import random
import socket
import time
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ... import config
from ...random import manual_seed
from .fetch import IterableFetcher, read
from .parcels import Parcel, pack, unpack

POLL = 5.0  # seconds between looks whether a silent worker is still alive
PATIENCE = 5.0  # seconds that workers have to finish what they are reading when they are stopped


class WorkerInfo(NamedTuple):
    """What a worker knows of itself: its number, how many there are, its seed and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: object


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """In a worker process, its ``id``, ``num_workers``, ``seed`` and ``dataset``; None in the main process.

    >>> from kuai.utils.data import get_worker_info
    >>> get_worker_info() is None
    True
    """
    return _info


class Failure(NamedTuple):
    """An exception of a worker, as text, since not every exception can be sent."""

    kind: type
    text: str
    worker: int

    @classmethod
    def caught(cls, error: BaseException, worker: int) -> Failure:
        return cls(type(error), traceback.format_exc(), worker)

    def raise_(self) -> None:
        """Raise it again here, of its own class if that can be made from a message."""
        message = f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}.\nOriginal {self.text}"
        if self.kind is KeyError:
            raise KeyError(_Verbatim(message))
        try:
            error = self.kind(message)
        except Exception:  # noqa: BLE001 (a class with a constructor of its own)
            raise RuntimeError(message) from None
        raise error


class _Verbatim(str):
    """A message that a KeyError does not show with quotes and escapes."""

    __repr__ = str.__str__


class Ended(NamedTuple):
    """A worker's dataset has no more samples."""

    worker: int


class Job(NamedTuple):
    """What a worker needs to know."""

    dataset: object
    make_fetcher: Callable
    batched: bool
    collate_fn: Callable
    drop_last: bool
    init: Callable | None


def _generate_state(base_seed: int, worker_id: int) -> list[int]:
    """The words with which a worker seeds NumPy."""
    return np.random.SeedSequence([worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]).generate_state(4).tolist()


def _seed_everything(base: int, worker: int) -> None:
    """Streams of this worker's own, those that PyTorch gives its workers."""
    random.seed(base + worker)
    manual_seed(base + worker)
    np.random.seed(_generate_state(base, worker))


def _work(job: Job, worker: int, workers: int, base_seed: int, tasks, results, link, stopped) -> None:
    """The life of a worker: answer tasks ``(round, number, index)`` until None comes or `stopped` is set."""
    global _info
    config.engine = "numpy"  # XLA's threads do not survive a fork, and a worker reads but does not train
    link.setblocking(False)
    _seed_everything(base_seed, worker)
    _info = WorkerInfo(worker, workers, base_seed + worker, job.dataset)
    failure = _attempt(lambda: job.init(worker) if job.init else None, worker)
    fetcher, current = failure, None
    parent = os.getppid()
    while (task := _next_task(tasks, parent)) is not None and not stopped.value:
        round_, number, index = task
        if round_ != current and failure is None:
            fetcher = _attempt(lambda: job.make_fetcher(job.dataset, job.batched, job.collate_fn, job.drop_last), worker)
        current = round_
        results.put(_packed(round_, number, _answer(fetcher, index, worker), worker, link))
    results.cancel_join_thread()  # nobody reads any more, so a pipe that is full would keep this process for ever


def _next_task(tasks, parent: int) -> tuple | None:
    while os.getppid() == parent:
        try:
            return tasks.get(timeout=POLL)
        except queue.Empty:
            continue
    return None  # the main process is gone


def _attempt(call: Callable, worker: int) -> object:
    try:
        return call()
    except Exception as e:  # noqa: BLE001 (sent to the main process)
        return Failure.caught(e, worker)


def _answer(fetcher: object, index: object, worker: int) -> object:
    if isinstance(fetcher, Failure):
        return fetcher
    try:
        return read(fetcher, index)  # type: ignore[arg-type]
    except Exception as e:  # noqa: BLE001 (sent to the main process)
        over = isinstance(e, StopIteration) and isinstance(fetcher, IterableFetcher)
        return Ended(worker) if over else Failure.caught(e, worker)


def _packed(round_: int, number: int, answer: object, worker: int, link: socket.socket) -> Parcel:
    """Pickled here and not by the queue's own thread, where a failure would be lost."""
    try:
        return pack((round_, number, answer), worker, link)
    except Exception as e:  # noqa: BLE001 (sent to the main process)
        return pack((round_, number, Failure.caught(e, worker)), worker, link)


def _stop(owner: int, processes: list, tasks: list, results, links: list, stopped) -> None:
    """End workers, which leave the tasks that still wait, and wait until they are gone."""
    if owner != os.getpid():  # a fork, whose workers these are not
        return
    started = [p for p in processes if p.pid]
    stopped.value = 1
    for q, p in zip(tasks, started):
        if p.is_alive():
            q.put(None)
    deadline = time.monotonic() + PATIENCE
    for p in started:
        p.join(timeout=max(0.0, deadline - time.monotonic()))
        if p.is_alive():
            p.terminate()
            p.join()
    for q in (*tasks, results):
        q.cancel_join_thread()
        q.close()
    for link in links:
        link.close()


class Pool:
    """Worker processes and their queues."""

    def __init__(self, job: Job, workers: int, base_seed: int, context):
        self.rounds = 0
        self.results = context.Queue()
        self.tasks = [context.Queue() for _ in range(workers)]
        pairs = [socket.socketpair() for _ in range(workers)]
        self.links = [ours for ours, _ in pairs]
        stopped = context.RawValue("b", 0)  # without a lock, which a worker that is killed could hold
        self.processes = [
            context.Process(target=_work, args=(job, i, workers, base_seed, tasks, self.results, link, stopped), daemon=True)
            for i, (tasks, (_, link)) in enumerate(zip(self.tasks, pairs))
        ]
        # Stops the workers, also when a cycle with the pool is collected: it holds the queues, which would be closed before.
        self.close = weakref.finalize(self, _stop, os.getpid(), self.processes, self.tasks, self.results, self.links, stopped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that forking does not suit threads: the child uses none of XLA's
            for p in self.processes:
                p.start()
        for _, theirs in pairs:
            theirs.close()

    def next_result(self, timeout: float) -> tuple[int, int, object]:
        """The next answer of any worker; RuntimeError if one has died or the time is out."""
        waited = 0.0
        while True:
            step = min(POLL, timeout - waited) if timeout else POLL
            try:
                parcel = self.results.get(timeout=step)
                return unpack(parcel, self.links[parcel.worker])  # type: ignore[return-value]
            except queue.Empty:
                self._check_alive()
            waited += step
            if timeout and waited >= timeout:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")

    def _check_alive(self) -> None:
        dead = [str(p.pid) for p in self.processes if not p.is_alive()]
        if dead:
            self.close()
            raise RuntimeError(
                f"DataLoader worker (pid(s) {', '.join(dead)}) exited unexpectedly: killed, or out of memory. "
                "num_workers=0 reads in the main process and shows where"
            )


_OVER = object()  # in the place of an index, where there are no more; an index may be None


class Round:
    """One pass over a dataset by a pool: tasks are given out ahead, answers come in the order of the tasks."""

    def __init__(self, pool: Pool, indices: Iterator, ahead: int, timeout: float, in_order: bool = True):
        self.pool, self.indices, self.timeout, self.in_order = pool, indices, timeout, in_order
        pool.rounds += 1
        self.round = pool.rounds
        self.workers = deque(range(len(pool.tasks)))  # those that still have samples
        self.waiting: deque[int] = deque()  # tasks given out and not yet answered to the reader, by number
        self.answers: dict[int, object] = {}
        self.count = 0
        for _ in range(ahead * len(pool.tasks)):
            self._send()

    def _send(self) -> None:
        index = next(self.indices, _OVER) if self.workers else _OVER
        if index is _OVER:
            return
        self.pool.tasks[self.workers[0]].put((self.round, self.count, index))
        self.workers.rotate(-1)
        self.waiting.append(self.count)
        self.count += 1

    def next(self) -> object:
        """The next batch; StopIteration after the last."""
        while self.waiting:
            number = self._first_answered()
            if number is None:
                self._receive()
                continue
            self.waiting.remove(number)
            answer = self.answers.pop(number)
            self._send()
            if isinstance(answer, Failure):
                answer.raise_()
            if not isinstance(answer, Ended):
                return answer
        raise StopIteration

    def _first_answered(self) -> int | None:
        candidates = list(self.waiting)[:1] if self.in_order else list(self.waiting)
        return next((n for n in candidates if n in self.answers), None)

    def _receive(self) -> None:
        round_, number, answer = self.pool.next_result(self.timeout)
        if round_ != self.round:  # of a pass that was given up
            return
        self.answers[number] = answer
        if isinstance(answer, Ended) and answer.worker in self.workers:
            self.workers.remove(answer.worker)
