"""Seeds of the process: the CPU's default stream, and the counters that accelerators draw by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from .generator import Generator, default_generator

if TYPE_CHECKING:
    from ..tensor import Tensor


class DeviceStream:
    """A seed and a count of draws: on an accelerator a draw is a function of the two (jax.random's threefry)."""

    def __init__(self) -> None:
        self.seed, self.count = default_generator.initial_seed(), 0
        self.lock = Lock()

    def manual_seed(self, seed: int) -> None:
        with self.lock:
            self.seed, self.count = seed % (1 << 64), 0

    def next(self) -> tuple[int, int]:
        """The seed, as an int64, and the number of this draw."""
        with self.lock:
            self.count += 1
            return (self.seed + (1 << 63)) % (1 << 64) - (1 << 63), self.count


accelerator_stream = DeviceStream()


def manual_seed(seed: int) -> Generator:
    """Seed all devices; on the CPU the draws that follow are PyTorch's, bit for bit (``torch.manual_seed``).

    >>> import kuai as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    seed = int(seed)
    default_generator.manual_seed(seed)
    accelerator_stream.manual_seed(seed)
    return default_generator


def seed() -> int:
    """Seed all devices with a number that can't be foreseen, and return it (``torch.seed``).

    >>> import kuai as torch
    >>> 0 <= torch.seed() < 2**64
    True
    """
    found = default_generator.seed()
    accelerator_stream.manual_seed(found)
    return found


def initial_seed() -> int:
    """The seed of the CPU's stream (``torch.initial_seed``).

    >>> import kuai as torch
    >>> generator = torch.manual_seed(3)
    >>> torch.initial_seed()
    3
    """
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the CPU's stream, in PyTorch's layout (``torch.get_rng_state``).

    >>> import kuai as torch
    >>> torch.get_rng_state().shape
    torch.Size([5056])
    """
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the CPU's stream from a state (``torch.set_rng_state``).

    >>> import kuai as torch
    >>> state = torch.get_rng_state()
    >>> x = torch.rand(2)
    >>> torch.set_rng_state(state)
    >>> torch.equal(torch.rand(2), x)
    True
    """
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: object = None, enabled: bool = True, _caller: str = "fork_rng", _devices_kw: str = "devices",
             device_type: str = "cuda") -> Iterator[None]:  # fmt: skip
    """What is drawn inside leaves the streams outside where they were (``torch.random.fork_rng``).

    >>> import kuai as torch
    >>> with torch.random.fork_rng(): x = torch.rand(2)
    """
    if not enabled:
        yield
        return
    kept = default_generator.state_bytes(), accelerator_stream.seed, accelerator_stream.count
    try:
        yield
    finally:
        default_generator.set_state_bytes(kept[0])
        accelerator_stream.seed, accelerator_stream.count = kept[1:]
