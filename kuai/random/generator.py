"""Generator: a seed, a stream of random words, and the normal that the last pair left over."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from .mt19937 import Engine

if TYPE_CHECKING:
    from ..devices import device as Device
    from ..tensor import Tensor

_DEFAULT_SEED = 67280421310721  # PyTorch's: that of every generator made by hand


class Generator:
    """A stream of random numbers on the CPU, bit for bit PyTorch's (``torch.Generator``).

    Its state has PyTorch's own layout of 5,056 bytes, so a state can be exchanged with PyTorch both
    ways. Raises NotImplementedError for other devices.

    >>> import kuai as torch
    >>> g = torch.Generator().manual_seed(42)
    >>> g.initial_seed(), g.device
    (42, device(type='cpu'))
    """

    def __init__(self, device: object = "cpu") -> None:
        from ..devices import device as Device

        self.device: Device = Device(device)
        if self.device.type != "cpu":
            raise NotImplementedError(
                f"Generator: given device '{self.device}', but only 'cpu' has one; "
                "draw on the CPU and move the result with .to(device)"
            )
        self.lock = threading.RLock()
        self._seed = _DEFAULT_SEED
        self._engine: Engine | None = None
        self.next_double_normal: float | None = None
        self.next_float_normal: float | None = None  # no CPU draw uses it; it travels with the state

    @property
    def engine(self) -> Engine:
        """The engine, made by the first draw."""
        if self._engine is None:
            self._engine = Engine(self._seed)
        return self._engine

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to the seed, an int in [-2**63, 2**64); returns the
        generator itself.
        """
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long: manual_seed needs -2**63 <= seed < 2**64")
        with self.lock:
            self._seed = seed % (1 << 64)
            self._engine = self.next_double_normal = self.next_float_normal = None
        return self

    def seed(self) -> int:
        """Seed with a number that can't be foreseen, and return it."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed that the stream started from."""
        return self._seed

    def state_bytes(self) -> np.ndarray:
        """The state in PyTorch's layout: uint8 of shape (5056,)."""
        with self.lock:
            return self.engine.pack(self.next_double_normal, self.next_float_normal)

    def set_state_bytes(self, state: np.ndarray) -> None:
        """Continue from a state in PyTorch's layout; a state that is refused (RuntimeError) changes
        nothing.
        """
        if state.dtype != np.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        with self.lock:
            self.next_double_normal, self.next_float_normal = self.engine.unpack(state)
            self._seed = self.engine.seed

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor of shape (5056,)."""
        from ..tensor import from_array

        return from_array(self.state_bytes(), self.device)

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from what get_state() returned, kuai's or PyTorch's."""
        from ..tensor import Tensor

        if not isinstance(new_state, Tensor):
            raise TypeError("RNG state must be a torch.ByteTensor")
        self.set_state_bytes(new_state._array())
        return self

    def clone_state(self) -> Generator:
        """A second generator that stands at the same place."""
        twin = Generator(self.device)
        twin.set_state_bytes(self.state_bytes())
        return twin

    def get_offset(self) -> int:
        """RuntimeError: the CPU's stream has no offset (``torch.Generator.get_offset``)."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> None:
        """RuntimeError: the CPU's stream has no offset (``torch.Generator.set_offset``)."""
        raise RuntimeError("CPU Generator does not use offset")

    def __reduce__(self) -> tuple:
        return Generator, (self.device,), (self._seed, None, self.get_state())

    def __setstate__(self, state: tuple) -> None:
        self.set_state(state[2])

    def __repr__(self) -> str:
        return f"<kuai.Generator device={self.device} seed={self._seed}>"


default_generator = Generator()
default_generator.seed()
