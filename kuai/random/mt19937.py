"""The Mersenne Twister engine under PyTorch's CPU generator, and the bytes of its state.

Matsumoto & Nishimura 1998, seeded by init_genrand with the low 32 bits of the seed. The words come
from NumPy's own mt19937, which is the same engine; only the layout of the saved state differs.
"""

from __future__ import annotations

import numpy as np  # numpy.random itself is loaded by the first draw, not by the import

WORDS = 624
STATE_BYTES = 5056

# PyTorch's CPUGeneratorImplState: `next` is where the next word is read, `left` counts down to the
# next twist.
_LAYOUT = np.dtype(
    {
        "names": ["seed", "left", "seeded", "next", "key", "double_normal", "has_double_normal",
                  "float_normal", "has_float_normal"],
        "formats": ["<u8", "<i4", "<i4", "<u8", ("<u8", WORDS), "<f8", "<i4", "<f4", "u1"],
        "offsets": [0, 8, 12, 16, 24, 5024, 5040, 5048, 5052],
        "itemsize": STATE_BYTES,
    }
)  # fmt: skip
_PIECE = 256 * WORDS  # NumPy gives the words as uint64: in pieces, so that they need no memory to speak of


class Engine:
    """32-bit words of mt19937, in PyTorch's order."""

    __slots__ = ("_bits", "_block", "_next", "_state", "seed")

    def __init__(self, seed: int) -> None:
        self._bits = np.random.MT19937(0)
        self._state = np.random.RandomState(self._bits)
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        self.seed = seed
        self._state.seed(seed & 0xFFFFFFFF)
        self._begin_block(0)

    def _begin_block(self, n: int) -> None:
        """Make the n words up to the next twist, from which small draws are sliced; until the twist the key stays."""
        self._block, self._next = self._bits.random_raw(n).astype(np.uint32), 0

    def words(self, n: int) -> np.ndarray:
        """The next n words, as uint32."""
        end = self._next + n
        if end > self._block.size:
            return self._words_across(n)
        out = self._block[self._next : end].copy()
        self._next = end
        return out

    def _words_across(self, n: int) -> np.ndarray:
        """The rest of the block, whole blocks, and the start of the one after."""
        out = np.empty(n, np.uint32)
        first = self._block.size - self._next
        whole = (n - first) // WORDS * WORDS
        out[:first] = self._block[self._next :]
        for start in range(first, first + whole, _PIECE):
            part = out[start : min(start + _PIECE, first + whole)]
            part[...] = self._bits.random_raw(part.size)
        rest = n - first - whole
        self._begin_block(WORDS if rest else 0)
        out[first + whole :] = self._block[:rest]
        self._next = rest
        return out

    def wide(self, n: int) -> np.ndarray:
        """The next n 64-bit words; each takes two words, the first is the high half."""
        pairs = self.words(2 * n)
        out = pairs[0::2].astype(np.uint64)
        out <<= np.uint64(32)
        out |= pairs[1::2]
        return out

    def _unused(self, key: np.ndarray) -> bool:
        second = 1812433253 * (int(key[0]) ^ (int(key[0]) >> 30)) + 1
        return int(key[0]) == self.seed & 0xFFFFFFFF and int(key[1]) == second & 0xFFFFFFFF

    def pack(self, double_normal: float | None, float_normal: float | None) -> np.ndarray:
        """State in PyTorch's layout: uint8 of shape (5056,)."""
        key, used = self._bits.state["state"]["key"], WORDS - (self._block.size - self._next)
        if used == WORDS and self._unused(key):  # seeded and never drawn from: PyTorch writes 0, not 624
            left, following = 1, 0
        else:
            left, following = WORDS + 1 - used, used
        record = np.zeros(1, _LAYOUT)
        record["seed"], record["left"], record["seeded"] = self.seed, left, 1
        record["next"], record["key"] = following, key
        for name, value in (("double_normal", double_normal), ("float_normal", float_normal)):
            if value is not None:
                record[name], record["has_" + name] = value, 1
        return record.view(np.uint8)

    def unpack(self, state: np.ndarray) -> tuple[float | None, float | None]:
        """Take over a state in PyTorch's layout; returns the kept normals (double, float)."""
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG state size to be {state.size}"
            )
        record = np.ascontiguousarray(state).reshape(-1).view(_LAYOUT)[0]
        left, following = int(record["left"]), int(record["next"])
        spent = left == 1 and following in (0, WORDS)
        if not record["seeded"] or not (spent or (0 < following < WORDS and left + following == WORDS + 1)):
            raise RuntimeError("Invalid mt19937 state")
        self.seed = int(record["seed"])
        key = record["key"].astype(np.uint32)
        used = WORDS if spent else following
        self._bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": used}}
        self._begin_block(WORDS - used)
        double_normal = float(record["double_normal"]) if record["has_double_normal"] else None
        float_normal = float(record["float_normal"]) if record["has_float_normal"] else None
        return double_normal, float_normal
