"""How a tensor would lie on several processes (``torch.distributed.tensor.placement_types``); programs make tables of them."""

from __future__ import annotations

from dataclasses import dataclass


class Placement:
    """How a tensor lies along a dimension of a mesh of processes."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether it is cut, or cut along a dimension.

        >>> from kuai.distributed.placements import Shard
        >>> Shard(1).is_shard(0)
        False
        """
        return isinstance(self, Shard) and dim in (None, self.dim)

    def is_replicate(self) -> bool:
        """Whether each process has the whole."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether each process has a term of the whole, or a term for a reduction."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """Each process has a piece along a dimension."""

    dim: int

    def __repr__(self) -> str:
        return f"Shard(dim={self.dim})"

    def __str__(self) -> str:
        return f"S({self.dim})"


@dataclass(frozen=True)
class Replicate(Placement):
    """Each process has the whole."""

    def __repr__(self) -> str:
        return "Replicate()"

    def __str__(self) -> str:
        return "R"


@dataclass(frozen=True)
class Partial(Placement):
    """Each process has a term, which a reduction joins."""

    reduce_op: str = "sum"

    def __repr__(self) -> str:
        return f"Partial({self.reduce_op})"

    def __str__(self) -> str:
        return f"P({self.reduce_op})"
