"""The classes of operators (``torch._ops``): programs ask whether something is one."""

from __future__ import annotations

from .aten import Overload
from .aten import Packet as AtenPacket
from .ops.operators import Operator, Packet


class _Registered(type):
    """Classes that others count as: `isinstance` looks at those too."""

    members: tuple[type, ...] = ()

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.members)


class OpOverload(metaclass=_Registered):
    """One overload of an operator: PyTorch's own, and those that programs register.

    >>> import kuai as torch
    >>> from kuai._ops import OpOverload
    >>> isinstance(torch.ops.aten.add.Tensor, OpOverload), isinstance(torch.add, OpOverload)
    (True, False)
    """

    members = (Overload, Operator)


class OpOverloadPacket(metaclass=_Registered):
    """An operator with all its overloads.

    >>> import kuai as torch
    >>> from kuai._ops import OpOverloadPacket
    >>> isinstance(torch.ops.aten.add, OpOverloadPacket)
    True
    """

    members = (AtenPacket, Packet)


class HigherOrderOperator(metaclass=_Registered):
    """An operator that takes functions: none is here, for such functions are plain ones."""
