"""utils.data: the same batches as PyTorch, here and in workers, and failures that say where they happened."""

import os
import random
import socket
import sys
import typing
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import kuai
from kuai.utils import data as ours
from kuai.utils.data import parcels

forks = pytest.mark.skipif(sys.platform == "win32", reason="workers are forked")


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def as_lists(batches):
    def plain(x):
        if hasattr(x, "tolist"):
            return x.tolist()
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items()}
        return [plain(v) for v in x] if isinstance(x, (list, tuple)) else x

    return [plain(b) for b in batches]


class Squares(ours.Dataset):
    def __init__(self, n):
        self.n = n

    def __getitem__(self, i):
        return i, float(i * i)

    def __len__(self):
        return self.n


class Failing(Squares):
    def __getitem__(self, i):
        if i == 5:
            raise KeyError(f"no sample {i}")
        return i


class Stream(ours.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        info = ours.get_worker_info()
        step, start = (1, 0) if info is None else (info.num_workers, info.id)
        return iter(range(start, self.n, step))

    def __len__(self):
        return self.n


SETTINGS = [
    {"batch_size": 3},
    {"batch_size": 3, "drop_last": True},
    {"batch_size": 4, "shuffle": True},
    {"batch_size": None},
    {"batch_size": 1, "shuffle": True, "drop_last": True},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_batches_are_pytorchs(torch, settings):
    results = []
    for framework in (torch, kuai):
        if framework is kuai:
            from kuai.utils.data import DataLoader, TensorDataset
        else:
            from torch.utils.data import DataLoader, TensorDataset
        framework.manual_seed(7)
        loader = DataLoader(TensorDataset(framework.arange(10), framework.arange(10.0) / 3), **settings)
        epochs = [as_lists(loader), as_lists(loader)]
        results.append((epochs, len(loader), framework.rand(2).tolist()))
    assert results[0] == results[1]


@pytest.mark.parametrize("kind", ["random", "replacement", "subset", "weighted", "weighted once", "batch", "given"])
def test_samplers_draw_what_pytorch_draws(torch, kind):
    results = []
    for framework in (torch, kuai):
        data = framework.utils.data
        framework.manual_seed(3)
        generator = framework.Generator()
        generator.manual_seed(11)
        sampler = {
            "random": lambda: data.RandomSampler(range(7), num_samples=17),
            "replacement": lambda: data.RandomSampler(range(7), replacement=True, num_samples=70),
            "subset": lambda: data.SubsetRandomSampler([5, 6, 9]),
            "weighted": lambda: data.WeightedRandomSampler([0.1, 0.5, 2.0], 20),
            "weighted once": lambda: data.WeightedRandomSampler([0.1, 0.5, 2.0], 3, replacement=False),
            "batch": lambda: data.BatchSampler(data.RandomSampler(range(7)), 3, False),
            "given": lambda: data.RandomSampler(range(9), generator=generator),
        }[kind]()
        results.append((list(sampler), list(sampler), len(sampler)))
    assert results[0] == results[1]


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
def test_distributed_sampler(torch, shuffle, drop_last):
    for n in (1, 5, 11, 12):
        for rank in range(3):
            given = {"num_replicas": 3, "rank": rank, "shuffle": shuffle, "drop_last": drop_last, "seed": 5}
            theirs = torch.utils.data.DistributedSampler(range(n), **given)
            mine = ours.DistributedSampler(range(n), **given)
            for epoch in (0, 3):
                theirs.set_epoch(epoch)
                mine.set_epoch(epoch)
                assert list(mine) == list(theirs) and len(mine) == len(theirs)


def test_random_split(torch):
    for lengths in ([7, 3], [0.5, 0.3, 0.2], [0.33, 0.33, 0.34]):
        parts = []
        for framework in (torch, kuai):
            framework.manual_seed(0)
            parts.append([list(p) for p in framework.utils.data.random_split(range(10), lengths)])
        assert parts[0] == parts[1]
    with pytest.raises(ValueError, match="does not equal the length"):
        ours.random_split(range(10), [3, 3])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        ours.random_split(range(1), [0.9, 0.1])


Point = namedtuple("Point", "x y")


def test_collate_is_pytorchs(torch):
    def samples(framework):
        return [
            [1, 2], [1.5, 2.5], [True, False], ["a", "b"], [b"a", b"b"], [np.float32(1), np.float32(2)],
            [np.ones(2), np.zeros(2)], [framework.ones(2), framework.zeros(2)], [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
            [Point(1, 2.0), Point(3, 4.0)], [(1, [2, 3]), (4, [5, 6])], [OrderedDict(a=1), OrderedDict(a=2)],
            [np.int64(3), np.int64(4)], [[1, (2, {"k": 3.0})], [4, (5, {"k": 6.0})]],
        ]  # fmt: skip

    for theirs, mine in zip(samples(torch), samples(kuai)):
        a, b = torch.utils.data.default_collate(theirs), ours.default_collate(mine)
        assert repr(a) == repr(b) and type(a).__name__ == type(b).__name__
    for framework in (torch, kuai):
        with pytest.raises(RuntimeError, match="equal size"):
            framework.utils.data.default_collate([[1], [1, 2]])
        with pytest.raises(TypeError, match="must contain tensors"):
            framework.utils.data.default_collate([object()])


def test_datasets():
    a, b = Squares(3), Squares(4)
    both = a + b
    assert len(both) == 7 and both[4] == (1, 1.0) and both[-1] == (3, 9.0)
    with pytest.raises(ValueError, match="absolute value"):
        both[-8]
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]
    assert ours.StackDataset(a, a)[2] == ((2, 4.0), (2, 4.0))
    assert ours.StackDataset(x=a)[2] == {"x": (2, 4.0)}
    with pytest.raises(ValueError, match="Size mismatch"):
        ours.StackDataset(a, b)
    with pytest.raises(AssertionError, match="Size mismatch"):
        ours.TensorDataset(kuai.ones(2), kuai.ones(3))
    assert as_lists(ours.DataLoader(ours.Subset(b, [3, 1]), 2)) == [[[3, 1], [9.0, 1.0]]]


@pytest.mark.parametrize(
    "given, error, text",
    [
        ({"num_workers": -1}, ValueError, "non-negative"),
        ({"batch_size": 0}, ValueError, "positive integer"),
        ({"shuffle": True, "sampler": range(2)}, ValueError, "mutually exclusive"),
        ({"batch_sampler": [[0]], "batch_size": 2}, ValueError, "mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, ValueError, "mutually exclusive"),
        ({"prefetch_factor": 2}, ValueError, "multiprocessing"),
        ({"persistent_workers": True}, ValueError, "num_workers > 0"),
        ({"timeout": -1}, ValueError, "non-negative"),
    ],
)
def test_bad_settings(torch, given, error, text):
    for framework in (torch, kuai):
        with pytest.raises(error, match=text):
            framework.utils.data.DataLoader([1, 2, 3], **given)


def test_settings_are_fixed():
    loader = ours.DataLoader([1, 2, 3])
    with pytest.raises(ValueError, match="should not be set after"):
        loader.batch_size = 2


def test_iterable(torch):
    assert as_lists(ours.DataLoader(Stream(5), 2)) == [[0, 1], [2, 3], [4]]
    assert len(ours.DataLoader(Stream(5), 2)) == 3
    with pytest.raises(ValueError, match="IterableDataset"):
        ours.DataLoader(Stream(5), shuffle=True)


@forks
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_give_the_same_batches_in_order(torch, persistent):
    """As in PyTorch: workers that stay draw no second seed, so the second pass is shuffled otherwise than without them."""
    passes = []
    for t in (kuai, torch):
        t.manual_seed(0)
        loader = t.utils.data.DataLoader(Squares(23), 4, shuffle=True, num_workers=2, persistent_workers=persistent)
        passes.append([as_lists(loader), as_lists(loader)])
    assert passes[0] == passes[1]
    kuai.manual_seed(0)
    alone = ours.DataLoader(Squares(23), 4, shuffle=True)
    assert as_lists(alone) == passes[0][0] and (as_lists(alone) == passes[0][1]) is not persistent


@forks
def test_workers_share_out_a_stream():
    batches = as_lists(ours.DataLoader(Stream(10), 2, num_workers=2))
    assert sorted(x for b in batches for x in b) == list(range(10))


class Draws(Squares):
    def __getitem__(self, i):
        return kuai.rand(1).item(), random.random(), np.random.rand(), ours.get_worker_info().id


@forks
def test_workers_draw_what_pytorchs_workers_draw(torch):
    class Theirs(torch.utils.data.Dataset):
        def __getitem__(self, i):
            return torch.rand(1).item(), random.random(), np.random.rand(), torch.utils.data.get_worker_info().id

        def __len__(self):
            return 8

    results = []
    for framework, dataset in ((torch, Theirs()), (kuai, Draws(8))):
        framework.manual_seed(5)
        results.append(as_lists(framework.utils.data.DataLoader(dataset, 2, num_workers=2)))
    assert results[0] == results[1]


@forks
def test_a_workers_exception_comes_with_its_traceback():
    with pytest.raises(KeyError) as caught:
        list(ours.DataLoader(Failing(10), 2, num_workers=2))
    text = str(caught.value)
    assert "DataLoader worker process" in text and "no sample 5" in text and "test_data.py" in text


class Dying(Squares):
    def __getitem__(self, i):
        os._exit(3)


@forks
def test_a_worker_that_dies_is_said(monkeypatch):
    from kuai.utils.data import workers

    monkeypatch.setattr(workers, "POLL", 0.2)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(ours.DataLoader(Dying(4), num_workers=1))


class Slow(Squares):
    def __getitem__(self, i):
        import time

        time.sleep(5)


@forks
def test_timeout(monkeypatch):
    monkeypatch.setattr("kuai.utils.data.workers.PATIENCE", 0.2)
    iterator = iter(ours.DataLoader(Slow(4), num_workers=1, timeout=0.3))
    with pytest.raises(RuntimeError, match="timed out after 0.3 seconds"):
        next(iterator)
    iterator.pool.close()


@forks
def test_a_pass_that_is_given_up_leaves_no_worker():
    iterator = iter(ours.DataLoader(Squares(100), num_workers=2))
    next(iterator)
    processes = iterator.pool.processes
    del iterator
    assert not any(p.is_alive() for p in processes)


class Large(Squares):
    """Samples that a pipe does not hold, and whose readings are counted."""

    def __init__(self, n):
        super().__init__(n)
        self.readings = kuai.multiprocessing.Value("i", 0)

    def __getitem__(self, i):
        with self.readings:
            self.readings.value += 1
        return bytes(1 << 20)


@forks
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_a_pass_that_is_given_up_end_by_themselves(persistent):
    """Nobody empties the pipe that they write to, and hundreds of tasks are waiting for them."""
    dataset = Large(1000)
    loader = ours.DataLoader(dataset, num_workers=2, prefetch_factor=500, persistent_workers=persistent)
    iterator = iter(loader)
    next(iterator)
    processes = iterator.pool.processes
    iterator.pool.close()
    assert [p.exitcode for p in processes] == [0, 0]  # and were not terminated
    assert dataset.readings.value < 900


class Images(Squares):
    def __getitem__(self, i):
        return kuai.full((3, 128, 128), float(i)), kuai.full((70000,), i, dtype=kuai.bfloat16), i


@forks
@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_large_batches_of_workers_are_those_read_here(method, workers):
    loader = ours.DataLoader(Images(7), 2, num_workers=workers, multiprocessing_context=method)
    for ours_, theirs in zip(loader, ours.DataLoader(Images(7), 2), strict=True):
        for x, y in zip(ours_, theirs):
            assert x.dtype == y.dtype and kuai.equal(x, y)
        ours_[0].add_(1).numpy()[:] += 1
        assert kuai.equal(ours_[0], theirs[0] + 2)


@pytest.mark.skipif(not parcels.HANDS_OVER, reason="no files in memory")
def test_large_arrays_do_not_go_through_the_queue():
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        answer = [np.full(parcels.LARGE, i, np.uint8) for i in range(parcels.MOST + 3)]
        parcel = parcels.pack(answer, 0, there)
        assert len(parcel.sizes) == parcels.MOST and 3 * parcels.LARGE < len(parcel.data) < 4 * parcels.LARGE
        read = parcels.unpack(parcel, here)
        assert [x[-1] for x in read] == [x[-1] for x in answer] and all(x.flags.writeable for x in read)


@pytest.mark.skipif(not parcels.HANDS_OVER, reason="no files in memory")
def test_large_arrays_that_nobody_takes_go_through_the_queue():
    """A link holds only so many messages; a worker must not wait for a reader who has gone."""
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        sent = [parcels.pack(np.full(parcels.LARGE, i % 256, np.uint8), 0, there) for i in range(600)]
        ahead = [bool(parcel.sizes) for parcel in sent]
        assert ahead[0] and not ahead[-1]
        assert [parcels.unpack(parcel, here)[-1] for parcel in sent] == [i % 256 for i in range(600)]


def drop_pool(iterator, ended):
    """In a forked child, whose copy of the pool goes away."""
    iterator.pool = iterator.round = None
    ended.value = 1


@forks
def test_a_fork_that_drops_an_inherited_pool_leaves_its_workers_alone():
    iterator = iter(ours.DataLoader(Squares(100), num_workers=2))
    context = kuai.multiprocessing.get_context("fork")
    ended = context.Value("i", 0)
    child = context.Process(target=drop_pool, args=(iterator, ended))
    child.start()
    child.join()
    assert ended.value == 1 and child.exitcode == 0
    assert len(list(iterator)) == 100


def init(worker):
    kuai.manual_seed(100 + worker)


@forks
def test_worker_init_fn():
    batches = as_lists(ours.DataLoader(Draws(4), 2, num_workers=2, worker_init_fn=init))
    kuai.manual_seed(100)
    assert batches[0][0][0] == kuai.rand(1).item()


@forks
@pytest.mark.parametrize("batch_size", [None, 2])
def test_workers_read_a_stream_with_and_without_batches(batch_size):
    found = list(ours.DataLoader(Stream(7), batch_size=batch_size, num_workers=2))
    assert sorted(int(i) for batch in found for i in (batch if batch_size else [batch])) == list(range(7))


@forks
def test_workers_that_stay_draw_their_seed_once(torch):
    after = []
    for t in (kuai, torch):
        generator = t.Generator().manual_seed(9)
        loader = t.utils.data.DataLoader([1, 2, 3], num_workers=1, persistent_workers=True, generator=generator)
        assert len(list(loader)) == len(list(loader)) == 3
        after.append(t.rand(2, generator=generator).tolist())
    assert after[0] == after[1]


class Stopping(Squares):
    def __getitem__(self, i):
        if i == 2:
            raise StopIteration
        return i


@forks
def test_a_sample_that_stops_ends_the_pass(torch):
    for t in (kuai, torch):
        assert len(list(t.utils.data.DataLoader(Stopping(4), num_workers=1))) == 2


WORKER_SETTINGS = [
    {"num_workers": 1, "prefetch_factor": 0}, {"timeout": 3}, {"multiprocessing_context": "fork"},
    {"num_workers": 1, "multiprocessing_context": 3}, {"num_workers": 1, "multiprocessing_context": "nothing"},
]  # fmt: skip


@pytest.mark.parametrize("given", WORKER_SETTINGS, ids=str)
def test_settings_of_workers_are_checked(torch, given):
    with pytest.raises((AssertionError, ValueError, TypeError)) as theirs:
        list(torch.utils.data.DataLoader([1], **given))
    with pytest.raises(theirs.type):
        list(ours.DataLoader([1], **given))


@forks
def test_the_way_workers_start_is_a_context(torch):
    for t in (kuai, torch):
        loader = t.utils.data.DataLoader([1, 2], num_workers=1, multiprocessing_context="fork")
        assert type(loader.multiprocessing_context).__name__ == "ForkContext"
        loader.multiprocessing_context = None
        assert loader.multiprocessing_context is None
        with pytest.raises(ValueError, match="num_workers"):
            t.utils.data.DataLoader([1]).multiprocessing_context = "fork"


def test_loaders_and_datasets_take_a_type_in_annotations():
    data = kuai.utils.data

    def loader(numbers: data.Dataset[int]) -> data.DataLoader[int]:
        return data.DataLoader[int](numbers, batch_size=2)

    assert [batch.tolist() for batch in loader([1, 2, 3])] == [[1, 2], [3]]
    assert typing.get_origin(data.DataLoader[int]) is data.DataLoader
