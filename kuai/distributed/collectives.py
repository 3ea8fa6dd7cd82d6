"""What processes do together, for a group of one: each result is what this process gave (``torch.distributed``).

All work is done when a function returns; with ``async_op=True`` it returns a `Work` that says so.

>>> import kuai as torch
>>> import kuai.distributed as dist
>>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
>>> x = torch.ones(2)
>>> dist.all_reduce(x)
>>> x
tensor([1., 1.])
>>> dist.destroy_process_group()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import Enum
from typing import Any

from ..autograd.modes import no_grad
from ..engine import synchronize
from ..tensor import Tensor
from .groups import Group, member, outside


class ReduceOp(Enum):
    """How `all_reduce` joins what the processes hold (``torch.distributed.ReduceOp``)."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM, UNUSED = range(10)


ReduceOp.RedOpType = ReduceOp  # type: ignore[attr-defined]


class Work:
    """Work that was begun, and is done (``torch.distributed.Work``)."""

    def __init__(self, results: list[Tensor]):
        self._results = results

    def wait(self, timeout: timedelta | None = None) -> bool:
        """True: it is done."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True

    def is_success(self) -> bool:
        """True."""
        return True

    def exception(self) -> None:
        """None: what fails, fails at the call."""

    def synchronize(self) -> None:
        """Nothing is left to wait for."""

    def source_rank(self) -> int:
        """0: there is no other process."""
        return 0

    def result(self) -> list[Tensor]:
        """The tensors that hold the results."""
        return self._results

    def get_future(self) -> Any:
        """A future that has the results."""
        from ..futures import Future

        made: Any = Future()
        made.set_result(self._results)
        return made


# ---- checks ----------------------------------------------------------------------------------------------------------


def _tensor(x: object, name: str) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type torch.Tensor but got {type(x)} instead.")
    return x


def _tensors(xs: object, name: str) -> Sequence[Tensor]:
    if not isinstance(xs, (list, tuple)) or not all(isinstance(x, Tensor) for x in xs):
        raise TypeError(f"Invalid function argument. Expected parameter `{name}` of type List[torch.Tensor] but got {type(xs)} instead.")
    return xs


def _one(xs: object, name: str, function: str) -> Tensor:
    """The only tensor of a list that has one for each process."""
    given = _tensors(xs, name)
    if len(given) != 1:
        raise RuntimeError(f"{function}: invalid tensor list `{name}` (expected length 1, got {len(given)})")
    return given[0]


def root_of(function: str, rank: int | None, group_rank: int | None, default: int | None = None) -> int:
    """The process that gives or takes: this one, or an error."""
    if rank is not None and group_rank is not None:
        raise ValueError("Can't specify both global_rank and group_rank")
    found = rank if rank is not None else group_rank if group_rank is not None else default
    if found is None:
        raise ValueError("Must specify global_rank or group_rank")
    return found


def _need_self(function: str, root: int) -> None:
    if root != 0:
        raise RuntimeError(f"{function}: invalid root rank: {root}; the only rank is 0")


def _check_op(op: ReduceOp, tensor: Tensor) -> None:
    if not isinstance(op, ReduceOp):
        raise TypeError(f"all_reduce: got {op!r} for op, needs one of torch.distributed.ReduceOp")
    if op in (ReduceOp.PREMUL_SUM, ReduceOp.UNUSED):
        raise TypeError(f"ReduceOp.{op.name} is none that can be asked for")
    if op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR) and tensor.dtype.category > 1:
        raise RuntimeError(f"Cannot use ReduceOp.{op.name} with non-integral dtype")
    if tensor.dtype.is_complex and not supports_complex(op):
        raise ValueError(f"all_reduce does not support {op} on complex tensors")


def supports_complex(reduceOp: ReduceOp) -> bool:  # noqa: N803 (PyTorch's name)
    """Whether complex numbers can be joined so (``torch.distributed.supports_complex``).

    >>> import kuai as torch
    >>> torch.distributed.supports_complex(torch.distributed.ReduceOp.MAX)
    False
    """
    unordered = (ReduceOp.SUM, ReduceOp.AVG, ReduceOp.PREMUL_SUM)
    return reduceOp in unordered


def _copy(function: str, to: Tensor, source: Tensor, exact: bool = True) -> None:
    """Put what the only process gave where its results go."""
    if to.dtype is not source.dtype:
        raise ValueError(f"Invalid usage of tensors with different dtypes: found {to.dtype} and {source.dtype}")
    if to.shape != source.shape if exact else to.numel() != source.numel():
        raise RuntimeError(f"{function}: invalid tensor size at index 0 (expected {list(source.shape)}, got {list(to.shape)})")
    with no_grad():
        to.copy_(source.detach().reshape(to.shape))


def _done(group: Group, async_op: bool, function: str, results: Sequence[Tensor], work: Callable[[], None] | None = None) -> Any:
    """Do the work if this process is in the group."""
    if member(group) is None:
        outside(function)
        return None
    if work is not None:
        work()
    return Work(list(results)) if async_op else None


# ---- everybody has everything ----------------------------------------------------------------------------------------


def barrier(group: Group = None, async_op: bool = False, device_ids: object = None, timeout: timedelta | None = None) -> Work | None:
    """Wait for all processes: for what this one recorded (``torch.distributed.barrier``)."""
    return _done(group, async_op, "barrier", [], synchronize)


def monitored_barrier(group: Group = None, timeout: timedelta | None = None, wait_all_ranks: bool = False) -> None:
    """`barrier`, which PyTorch watches (``torch.distributed.monitored_barrier``)."""
    barrier(group)


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Group = None, async_op: bool = False) -> Work | None:
    """Join a tensor of all processes: one process's is the result already (``torch.distributed.all_reduce``).

    >>> import kuai as torch
    >>> torch.distributed.init_process_group("gloo")
    >>> x = torch.ones(2)
    >>> torch.distributed.all_reduce(x, async_op=True).wait(), x
    (True, tensor([1., 1.]))
    >>> torch.distributed.destroy_process_group()
    """
    _check_op(op, _tensor(tensor, "tensor"))
    return _done(group, async_op, "all_reduce", [tensor])


def all_reduce_coalesced(tensors: Sequence[Tensor], op: ReduceOp = ReduceOp.SUM, group: Group = None,
                         async_op: bool = False) -> Work | None:  # fmt: skip
    """`all_reduce` of several tensors (``torch.distributed.all_reduce_coalesced``)."""
    for tensor in _tensors(tensors, "tensors"):
        _check_op(op, tensor)
    return _done(group, async_op, "all_reduce_coalesced", tensors)


def reduce(tensor: Tensor, dst: int | None = None, op: ReduceOp = ReduceOp.SUM, group: Group = None, async_op: bool = False,
           group_dst: int | None = None) -> Work | None:  # fmt: skip
    """`all_reduce` for one process (``torch.distributed.reduce``)."""
    _check_op(op, _tensor(tensor, "tensor"))
    _need_self("reduce", root_of("reduce", dst, group_dst))
    return _done(group, async_op, "reduce", [tensor])


def broadcast(tensor: Tensor, src: int | None = None, group: Group = None, async_op: bool = False,
              group_src: int | None = None) -> Work | None:  # fmt: skip
    """Send a tensor to all: one process has it already (``torch.distributed.broadcast``)."""
    _tensor(tensor, "tensor")
    _need_self("broadcast", root_of("broadcast", src, group_src))
    return _done(group, async_op, "broadcast", [tensor])


# ---- from all to all -------------------------------------------------------------------------------------------------


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Group = None, async_op: bool = False) -> Work | None:
    """Collect a tensor of all processes into a list (``torch.distributed.all_gather``)."""
    source = _tensor(tensor, "tensor")
    to = _one(tensor_list, "tensor_list", "all_gather")
    return _done(group, async_op, "all_gather", [to], lambda: _copy("all_gather", to, source))


def all_gather_coalesced(output_tensor_lists: list[list[Tensor]], input_tensor_list: list[Tensor], group: Group = None,
                         async_op: bool = False) -> Work | None:  # fmt: skip
    """`all_gather` of several tensors (``torch.distributed.all_gather_coalesced``)."""
    given = _tensors(input_tensor_list, "input_tensor_list")
    (lists,) = output_tensor_lists if len(output_tensor_lists) == 1 else ([],)
    if len(lists) != len(given):
        raise RuntimeError(f"all_gather_coalesced: needs one list of {len(given)} outputs, as there is one process")

    def work() -> None:
        for to, source in zip(lists, given):
            _copy("all_gather_coalesced", to, source)

    return _done(group, async_op, "all_gather_coalesced", lists, work)


def all_gather_into_tensor(output_tensor: Tensor, input_tensor: Tensor, group: Group = None,
                           async_op: bool = False) -> Work | None:  # fmt: skip
    """Collect a tensor of all processes, one behind another (``torch.distributed.all_gather_into_tensor``)."""
    return _whole("all_gather_into_tensor", output_tensor, input_tensor, group, async_op)


all_gather_single = all_gather_into_tensor


def _whole(function: str, to: Tensor, source: Tensor, group: Group, async_op: bool) -> Work | None:
    _tensor(source, "input_tensor"), _tensor(to, "output_tensor")
    return _done(group, async_op, function, [to], lambda: _copy(function, to, source))


def reduce_scatter(output: Tensor, input_list: list[Tensor], op: ReduceOp = ReduceOp.SUM, group: Group = None,
                   async_op: bool = False) -> Work | None:  # fmt: skip
    """Join the n-th tensors of all for the n-th process (``torch.distributed.reduce_scatter``)."""
    source = _one(input_list, "input_list", "reduce_scatter")
    _check_op(op, source)
    return _whole("reduce_scatter", output, source, group, async_op)


def reduce_scatter_tensor(output: Tensor, input: Tensor, op: ReduceOp = ReduceOp.SUM, group: Group = None,
                          async_op: bool = False) -> Work | None:  # fmt: skip
    """`reduce_scatter` of the parts of one tensor (``torch.distributed.reduce_scatter_tensor``)."""
    _check_op(op, _tensor(input, "input"))
    return _whole("reduce_scatter_tensor", output, input, group, async_op)


reduce_scatter_single = reduce_scatter_tensor


def all_to_all(output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Group = None,
               async_op: bool = False) -> Work | None:  # fmt: skip
    """Give the n-th tensor to the n-th process (``torch.distributed.all_to_all``)."""
    to = _one(output_tensor_list, "output_tensor_list", "all_to_all")
    return _whole("all_to_all", to, _one(input_tensor_list, "input_tensor_list", "all_to_all"), group, async_op)


def all_to_all_single(output: Tensor, input: Tensor, output_split_sizes: list[int] | None = None,
                      input_split_sizes: list[int] | None = None, group: Group = None,
                      async_op: bool = False) -> Work | None:  # fmt: skip
    """Give the n-th part of a tensor to the n-th process (``torch.distributed.all_to_all_single``)."""
    for sizes, tensor in ((output_split_sizes, _tensor(output, "output")), (input_split_sizes, _tensor(input, "input"))):
        if sizes and list(sizes) != [tensor.shape[0]]:
            raise RuntimeError(f"Number of tensor splits not equal to group size, or split sizes {sizes} do not sum to {tensor.shape[0]}")
    return _whole("all_to_all_single", output, input, group, async_op)


# ---- from and to one -------------------------------------------------------------------------------------------------


def gather(tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int | None = None, group: Group = None,
           async_op: bool = False, group_dst: int | None = None) -> Work | None:  # fmt: skip
    """Collect a tensor of all processes in one (``torch.distributed.gather``)."""
    root = _listed("gather", gather_list, root_of("gather", dst, group_dst, 0), "destination")
    _need_self("gather", root)
    to, source = _one(gather_list, "gather_list", "gather"), _tensor(tensor, "tensor")
    return _done(group, async_op, "gather", [to], lambda: _copy("gather", to, source))


def scatter(tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int | None = None, group: Group = None,
            async_op: bool = False, group_src: int | None = None) -> Work | None:  # fmt: skip
    """Give each process one of a process's tensors (``torch.distributed.scatter``)."""
    root = _listed("scatter", scatter_list, root_of("scatter", src, group_src, 0), "source")
    _need_self("scatter", root)
    to, source = _tensor(tensor, "tensor"), _one(scatter_list, "scatter_list", "scatter")
    return _done(group, async_op, "scatter", [to], lambda: _copy("scatter", to, source))


def _listed(function: str, given: object, root: int, role: str) -> int:
    """Where the work begins or ends; a list is for the process that is there, and for no other."""
    if root == 0 and not given:
        raise ValueError(f"Argument ``{function}_list`` must be specified on {role} rank.")
    if root != 0 and given:
        raise ValueError(f"Argument ``{function}_list`` must NOT be specified on non-{role} ranks.")
    return root


# ---- from one to another: there is no other --------------------------------------------------------------------------


def _alone(function: str, kind: str, rank: int | None, group_rank: int | None, error: type[Exception]) -> Any:
    member()
    if kind == "destination" or rank is not None or group_rank is not None:
        peer = root_of(function, rank, group_rank)
        if peer == 0:
            raise error(f"Invalid {kind} rank: {kind} rank should not be the same as the rank of the current process.")
    raise error(f"{function}: there is no other process, so nobody to exchange tensors with")


def send(tensor: Tensor, dst: int | None = None, group: Group = None, tag: int = 0, group_dst: int | None = None) -> None:
    """ValueError: a process cannot send to itself, and there is no other (``torch.distributed.send``)."""
    _tensor(tensor, "tensor")
    _alone("send", "destination", dst, group_dst, ValueError)


def recv(tensor: Tensor, src: int | None = None, group: Group = None, tag: int = 0, group_src: int | None = None) -> int:
    """RuntimeError: there is nobody to receive from (``torch.distributed.recv``)."""
    _tensor(tensor, "tensor")
    return _alone("recv", "source", src, group_src, RuntimeError)


def isend(tensor: Tensor, dst: int | None = None, group: Group = None, tag: int = 0, group_dst: int | None = None) -> Work | None:
    """RuntimeError: there is nobody to send to (``torch.distributed.isend``)."""
    _tensor(tensor, "tensor")
    return _alone("isend", "destination", dst, group_dst, RuntimeError)


def irecv(tensor: Tensor, src: int | None = None, group: Group = None, tag: int = 0, group_src: int | None = None) -> Work | None:
    """RuntimeError: there is nobody to receive from (``torch.distributed.irecv``)."""
    _tensor(tensor, "tensor")
    return _alone("irecv", "source", src, group_src, RuntimeError)


class P2POp:
    """One of the operations of `batch_isend_irecv` (``torch.distributed.P2POp``)."""

    def __init__(self, op: Callable, tensor: Tensor, peer: int | None = None, group: Group = None, tag: int = 0,
                 group_peer: int | None = None):  # fmt: skip
        if op not in (isend, irecv):
            raise ValueError("Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or ``torch.distributed.irecv``.")
        self.op, self.tensor, self.group, self.tag = op, _tensor(tensor, "tensor"), group, tag
        self.peer = root_of("P2POp", peer, group_peer)


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work | None]:
    """Several `isend` and `irecv` (``torch.distributed.batch_isend_irecv``)."""
    if not p2p_op_list or not all(isinstance(p, P2POp) for p in p2p_op_list):
        raise ValueError("Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``.")
    return [p.op(p.tensor, p.peer, p.group, p.tag) for p in p2p_op_list]
