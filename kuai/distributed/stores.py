"""Keys and values that processes share, for a group of one: in this process's memory (``torch.distributed``)."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import timedelta
from threading import Condition


class DistError(RuntimeError):
    """What is raised about communication (``torch.distributed.DistError``)."""


class DistBackendError(DistError):
    """What a backend raises (``torch.distributed.DistBackendError``)."""


class DistNetworkError(DistError):
    """What the network raises (``torch.distributed.DistNetworkError``)."""


class DistStoreError(DistError):
    """What a store raises (``torch.distributed.DistStoreError``)."""


class QueueEmptyError(DistStoreError):
    """There is nothing in a queue (``torch.distributed.QueueEmptyError``)."""


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """Keys and values that wait for each other (``torch.distributed.Store``). Values are bytes; a string is encoded.

    >>> import kuai as torch
    >>> store = torch.distributed.HashStore()
    >>> store.set("epoch", "3"); store.get("epoch"), store.add("steps", 2)
    (b'3', 2)
    """

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._queues: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self._changed = Condition()
        self._timeout = timedelta(minutes=5)

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait for a key."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Wait as long as this for keys."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Give a key a value."""
        with self._changed:
            self._values[key] = _bytes(value)
            self._changed.notify_all()

    def get(self, key: str) -> bytes:
        """A key's value, once it has one; DistStoreError when the time is over."""
        self.wait([key])
        return self._values[key]

    def add(self, key: str, amount: int) -> int:
        """Add to a key's number, 0 if there is none; the sum."""
        with self._changed:
            total = int(self._values.get(key, b"0")) + amount
            self.set(key, str(total))
            return total

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Set a key that has the expected value, or, for an expected "", none; the value that it has then."""
        with self._changed:
            if self._values.get(key, b"") == _bytes(expected_value):
                self.set(key, desired_value)
            return self._values.get(key, _bytes(expected_value))

    def append(self, key: str, value: str | bytes) -> None:
        """Write behind a key's value."""
        with self._changed:
            self.set(key, self._values.get(key, b"") + _bytes(value))

    def wait(self, keys: list[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys have values; DistStoreError when the time is over."""
        seconds = (timeout or self._timeout).total_seconds()
        with self._changed:
            if not self._changed.wait_for(lambda: self.check(keys), seconds):
                missing = [key for key in keys if key not in self._values]
                raise DistStoreError(f"Wait timeout: no value for {missing} after {seconds} s")

    def check(self, keys: list[str]) -> bool:
        """Whether all keys have values."""
        return all(key in self._values for key in keys)

    def delete_key(self, key: str) -> bool:
        """Forget a key; whether it was there."""
        with self._changed:
            return self._values.pop(key, None) is not None

    def num_keys(self) -> int:
        """How many keys have values."""
        return len(self._values)

    def list_keys(self) -> list[str]:
        """The keys that have values."""
        return list(self._values)

    def multi_get(self, keys: list[str]) -> list[bytes]:
        """The values of several keys."""
        return [self.get(key) for key in keys]

    def multi_set(self, keys: list[str], values: list[str | bytes]) -> None:
        """Give several keys values."""
        for key, value in zip(keys, values, strict=True):
            self.set(key, value)

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        with self._changed:
            self._queues[key].append(_bytes(value))
            self._changed.notify_all()

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue; of an empty one, wait for it, or QueueEmptyError."""
        with self._changed:
            if not block and not self._queues[key]:
                raise QueueEmptyError(f"queue_pop: nothing is in {key!r}")
            if not self._changed.wait_for(lambda: bool(self._queues[key]), self._timeout.total_seconds()):
                raise DistStoreError(f"Wait timeout: nothing in the queue {key!r} after {self._timeout}")
            return self._queues[key].popleft()

    def queue_len(self, key: str) -> int:
        """How many values are in a queue."""
        return len(self._queues[key])

    def has_extended_api(self) -> bool:
        """True: `append`, `multi_get`, `multi_set` and queues are there."""
        return True

    def clone(self) -> Store:
        """The store itself: threads may share it."""
        return self


class HashStore(Store):
    """A store in this process's memory (``torch.distributed.HashStore``)."""


class TCPStore(Store):
    """A store that processes reach by the network (``torch.distributed.TCPStore``): here in memory, for a world of one."""

    def __init__(self, host_name: str, port: int, world_size: int | None = None, is_master: bool = False,
                 timeout: timedelta = timedelta(minutes=5), wait_for_workers: bool = True, **options: object):  # fmt: skip
        if world_size != 1 or not is_master:
            raise NotImplementedError(
                f"TCPStore: there is one process here; give world_size=1 and is_master=True, got {world_size} and {is_master}"
            )
        super().__init__()
        self.host, self.port = host_name, port
        self.set_timeout(timeout)


class FileStore(Store):
    """A store that processes reach by a file (``torch.distributed.FileStore``): here in memory, for a world of one."""

    def __init__(self, file_name: str, world_size: int = -1):
        if world_size != 1:
            raise NotImplementedError(f"FileStore: there is one process here; give world_size=1, got {world_size}")
        super().__init__()
        self.path = file_name


class PrefixStore(Store):
    """A store inside another, whose keys begin with a prefix (``torch.distributed.PrefixStore``).

    >>> import kuai as torch
    >>> whole = torch.distributed.HashStore()
    >>> torch.distributed.PrefixStore("train", whole).set("step", "1"); whole.get("train/step")
    b'1'
    """

    def __init__(self, prefix: str, store: Store):
        super().__init__()
        self.prefix, self.underlying_store = prefix, store
        self._changed, self._values, self._queues = store._changed, _Prefixed(prefix, store._values), _Prefixed(prefix, store._queues)  # type: ignore[assignment]
        self._timeout = store.timeout


class _Prefixed:
    """A store's dictionary, asked by keys without their prefix."""

    def __init__(self, prefix: str, whole: dict):
        self.prefix, self.whole = prefix, whole

    def __getitem__(self, key: str) -> object:
        return self.whole[f"{self.prefix}/{key}"]

    def __setitem__(self, key: str, value: object) -> None:
        self.whole[f"{self.prefix}/{key}"] = value

    def __contains__(self, key: str) -> bool:
        return f"{self.prefix}/{key}" in self.whole

    def __iter__(self):  # type: ignore[no-untyped-def]
        return (key.removeprefix(f"{self.prefix}/") for key in self.whole if key.startswith(f"{self.prefix}/"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def get(self, key: str, default: object = None) -> object:
        """A value, or the default."""
        return self.whole.get(f"{self.prefix}/{key}", default)

    def pop(self, key: str, default: object = None) -> object:
        """Take a value out."""
        return self.whole.pop(f"{self.prefix}/{key}", default)
