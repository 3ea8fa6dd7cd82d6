"""Devices: names, parsing and what is asked of them. Which ones exist is the executor's to say."""

from __future__ import annotations

from typing import Any

TYPES = ("cpu", "cuda", "meta", "tpu", "mps", "xpu")


class device:
    """Where a tensor lives (``torch.device``): a type and, for accelerators, an index.

    >>> import kuai as torch
    >>> torch.device('cuda:1'), torch.device('cpu')
    (device(type='cuda', index=1), device(type='cpu'))
    """

    __slots__ = ("type", "index")
    type: str
    index: int | None
    _made: dict[tuple[str, int | None], device] = {}

    def __new__(cls, type: Any, index: int | None = None):  # noqa: A002 (PyTorch's name)
        if isinstance(type, device):
            return type
        if isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(f"device(): argument 'type' must be str, int or torch.device, not {type!r}")
        if not (index is None or isinstance(index, int)):
            raise TypeError(f"device(): argument 'index' (position 2) must be int, not {index!r}")
        key = _parse(type, index)
        found = cls._made.get(key)
        if found is None:
            found = cls._made[key] = super().__new__(cls)
            object.__setattr__(found, "type", key[0])
            object.__setattr__(found, "index", key[1])
        return found

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple:
        return (device, (str(self),))

    def __copy__(self) -> device:
        return self

    def __deepcopy__(self, memo: dict) -> device:
        return self

    def __enter__(self) -> device:
        _defaults.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _defaults.pop()


_Device = device  # under a name that arguments called device do not hide


def _parse(text: str, index: int | None) -> tuple[str, int | None]:
    kind, colon, number = text.partition(":")
    if colon and index is not None:
        raise RuntimeError(f"type (string) must not include an index because index was passed explicitly: {text}")
    if colon:
        if not number.isdigit():
            raise RuntimeError(f"Invalid device string: '{text}'")
        index = int(number)
    if kind not in TYPES:
        raise RuntimeError(
            f"Expected one of {', '.join(TYPES)} device type at start of device string: {text}"
        )
    return kind, index


cpu = device("cpu")
meta = device("meta")
_defaults: list[device] = [cpu]


def get_default_device() -> device:
    """The device of new tensors (``torch.get_default_device``).

    >>> import kuai as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return _defaults[-1]


def set_default_device(device: object) -> None:
    """Set the device of new tensors; None stands for the CPU (``torch.set_default_device``).

    >>> import kuai as torch
    >>> torch.set_default_device("meta")
    >>> torch.ones(1).device
    device(type='meta')
    >>> torch.set_default_device(None)
    """
    _defaults[0] = _Device("cpu" if device is None else device)


def placement(where: object) -> device:
    """The device to place on: None is the default one, an accelerator without index its first device."""
    if where is None:
        return _defaults[-1]
    found = device(where)
    if found.index is None and found.type not in ("cpu", "meta"):
        return device(found.type, 0)
    return cpu if found.type == "cpu" else found
