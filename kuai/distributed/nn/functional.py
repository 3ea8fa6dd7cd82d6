"""Collectives that give new tensors, which gradients flow through (``torch.distributed.nn.functional``).

>>> import kuai as torch
>>> import kuai.distributed as dist
>>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
>>> from kuai.distributed.nn.functional import all_reduce
>>> all_reduce(torch.ones(2, requires_grad=True))
tensor([1., 1.], grad_fn=<CloneBackward0>)
>>> dist.destroy_process_group()
"""

from __future__ import annotations

from collections.abc import Sequence

from ...tensor import Tensor
from .. import collectives
from ..collectives import ReduceOp, _need_self, _one
from ..groups import Group, member


def _through(tensor: Tensor, group: Group) -> Tensor:
    """What arrives of a process's tensor: the same, as a new one."""
    member(group)
    return tensor.clone()


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Group = None) -> Tensor:
    """A tensor of all processes joined.

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> x = torch.ones(1, requires_grad=True)
    >>> torch.distributed.nn.functional.all_reduce(x).backward(); x.grad
    tensor([1.])
    >>> torch.distributed.destroy_process_group()
    """
    collectives._check_op(op, tensor)
    return _through(tensor, group)


def broadcast(tensor: Tensor, src: int, group: Group = None) -> Tensor:
    """A process's tensor for all."""
    _need_self("broadcast", src)
    return _through(tensor, group)


def reduce(tensor: Tensor, dst: int, op: ReduceOp = ReduceOp.SUM, group: Group = None) -> Tensor:
    """`all_reduce` for one process."""
    _need_self("reduce", dst)
    return all_reduce(tensor, op, group)


def all_gather(tensor: Tensor, group: Group = None) -> tuple[Tensor, ...]:
    """The tensors of all processes."""
    return (_through(tensor, group),)


def gather(tensor: Tensor, dst: int = 0, group: Group = None) -> tuple[Tensor, ...]:
    """`all_gather` for one process."""
    _need_self("gather", dst)
    return all_gather(tensor, group)


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Group = None) -> Tensor:
    """One of a process's tensors for each."""
    _need_self("scatter", src)
    return _through(_one(tensors, "tensors", "scatter"), group)


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: ReduceOp = ReduceOp.SUM, group: Group = None) -> Tensor:
    """The n-th tensors of all joined for the n-th process; also written to ``output``."""
    collectives.reduce_scatter(output.detach(), list(input_list), op, group)
    return _through(input_list[0], group)


def all_to_all(output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Group = None) -> tuple[Tensor, ...]:
    """The n-th tensor for the n-th process; also written to the outputs."""
    collectives.all_to_all([t.detach() for t in output_tensor_list], list(input_tensor_list), group)
    return tuple(_through(t, group) for t in input_tensor_list)


def all_to_all_single(output: Tensor, input: Tensor, output_split_sizes: list[int] | None = None,
                      input_split_sizes: list[int] | None = None, group: Group = None) -> Tensor:  # fmt: skip
    """The n-th part of a tensor for the n-th process; also written to ``output``."""
    collectives.all_to_all_single(output.detach(), input, output_split_sizes, input_split_sizes, group)
    return _through(input, group)
