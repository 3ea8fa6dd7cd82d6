"""A mesh of devices over processes (``torch.distributed.device_mesh``): of one process, whatever its dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..ops.creation import tensor
from ..tensor import Tensor
from .groups import ProcessGroup, init_process_group, is_initialized, new_group


class DeviceMesh:
    """Processes in a grid, with a group for each of its dimensions (``torch.distributed.device_mesh.DeviceMesh``).

    >>> import kuai as torch
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1, 1), mesh_dim_names=("dp", "tp")); mesh
    DeviceMesh((dp=1, tp=1), 'cpu')
    >>> mesh["tp"].size(), mesh.get_coordinate()
    (1, [0, 0])
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, device_type: str, mesh: Any = None, *, mesh_dim_names: Sequence[str] | None = None,
                 backend_override: object = None, _groups: list | None = None):  # fmt: skip
        self.device_type = device_type
        self.mesh: Tensor = mesh if isinstance(mesh, Tensor) else tensor(mesh)
        if self.mesh.numel() != 1:
            raise RuntimeError(f"Mesh should not be bigger than default world size 1, but found {self.mesh.numel()} ranks!")
        if self.mesh.item() != 0:
            raise RuntimeError(f"DeviceMesh: the only rank is 0, got {self.mesh.item()}")
        self.mesh_dim_names = tuple(mesh_dim_names) if mesh_dim_names else None
        if self.mesh_dim_names is not None and len(self.mesh_dim_names) != self.mesh.ndim:
            raise RuntimeError(f"mesh_shape and mesh_dim_names should have same length, got {self.shape} and {mesh_dim_names}")
        if not is_initialized():
            init_process_group()
        self._groups: list = _groups if _groups is not None else [new_group([0]) for _ in self.shape]

    @classmethod
    def from_group(cls, group: ProcessGroup | list[ProcessGroup], device_type: str, mesh: Any = None, *,
                   mesh_dim_names: Sequence[str] | None = None) -> DeviceMesh:  # fmt: skip
        """A mesh of groups that are there already."""
        groups = list(group) if isinstance(group, (list, tuple)) else [group]
        cells: Any = 0
        for _ in groups:
            cells = [cells]
        return cls(device_type, cells if mesh is None else mesh, mesh_dim_names=mesh_dim_names, _groups=groups)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.mesh.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of processes along each dimension."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """The number of processes, of all or along a dimension."""
        return prod(self.shape) if mesh_dim is None else self.shape[mesh_dim]

    def _dim(self, mesh_dim: int | str | None) -> int:
        if mesh_dim is None:
            if self.ndim != 1:
                raise RuntimeError(f"Found the DeviceMesh have {self.ndim} dimensions. Optional kwarg `mesh_dim` needs to be specified.")
            return 0
        if isinstance(mesh_dim, str):
            if mesh_dim not in (self.mesh_dim_names or ()):
                raise KeyError(f"Mesh dimension '{mesh_dim}' does not exist. Available mesh dimensions are: {self.mesh_dim_names}")
            return self.mesh_dim_names.index(mesh_dim)  # type: ignore[union-attr]
        return range(self.ndim)[mesh_dim]

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The group along a dimension."""
        return self._groups[self._dim(mesh_dim)]

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups along all dimensions."""
        return list(self._groups)

    def get_rank(self) -> int:
        """0: this process."""
        return 0

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """0: this process's place along a dimension."""
        self._dim(mesh_dim)
        return 0

    def get_coordinate(self) -> list[int]:
        """This process's place."""
        return [0] * self.ndim

    def __getitem__(self, names: str | tuple[str, ...]) -> DeviceMesh:
        """The mesh of some of the dimensions, by name."""
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        dims = [self._dim(name) for name in chosen]
        part = self.mesh.reshape([1] * len(dims))
        return DeviceMesh(self.device_type, part, mesh_dim_names=chosen, _groups=[self._groups[d] for d in dims])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DeviceMesh):
            return False
        return (self.device_type, self.shape, self.mesh_dim_names) == (other.device_type, other.shape, other.mesh_dim_names)

    def __hash__(self) -> int:
        return hash((self.device_type, self.shape, self.mesh_dim_names))

    def __enter__(self) -> DeviceMesh:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was changed."""

    def __repr__(self) -> str:
        names = self.mesh_dim_names
        shown = ", ".join(f"{names[i]}={n}" if names else str(n) for i, n in enumerate(self.shape))
        return f"DeviceMesh(({shown}), '{self.device_type}')"


def init_device_mesh(device_type: str, mesh_shape: tuple[int, ...], *, mesh_dim_names: tuple[str, ...] | None = None,
                     backend_override: object = None) -> DeviceMesh:  # fmt: skip
    """A mesh of a shape; the default group is made if there is none (``torch.distributed.init_device_mesh``)."""
    if not device_type.isalpha():
        raise RuntimeError(f"Device type with index is not supported but got {device_type}: give 'cpu' or 'cuda'")
    if mesh_dim_names is not None and len(set(mesh_dim_names)) != len(mesh_dim_names):
        raise RuntimeError(f"Each mesh_dim_name must be unique. Found repeated mesh_dim_name in {mesh_dim_names}")
    if mesh_dim_names is not None and len(mesh_dim_names) != len(mesh_shape):
        raise RuntimeError(f"mesh_shape and mesh_dim_names should have same length, got {mesh_shape} and {mesh_dim_names}")
    if prod(mesh_shape) != 1:
        raise RuntimeError(f"Mesh should not be bigger than default world size 1, but found {prod(mesh_shape)} ranks!")
    return DeviceMesh(device_type, tensor([0]).reshape(mesh_shape), mesh_dim_names=mesh_dim_names)
