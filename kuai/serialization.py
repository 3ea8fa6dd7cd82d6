"""PyTorch's ``torch.serialization``: saving, loading, and what files may name.

>>> import kuai as torch
>>> import io
>>> file = io.BytesIO()
>>> torch.save({"x": torch.ones(1)}, file); _ = file.seek(0)
>>> torch.load(file)
{'x': tensor([1.])}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from tempfile import mkdtemp as mkdtemp
from types import ModuleType

from .devices import device
from .dtypes import dtype
from .files.checkpoint import load as load
from .files.checkpoint import save as save
from .files.locations import default_restore_location as default_restore_location
from .files.locations import location_tag as location_tag
from .files.locations import register_package as register_package
from .files.locations import validate_cuda_device as validate_cuda_device
from .files.locations import validate_hpu_device as validate_hpu_device
from .files.options import LoadEndianness as LoadEndianness
from .files.options import get_crc32_options as get_crc32_options
from .files.options import get_default_load_endianness as get_default_load_endianness
from .files.options import get_default_mmap_options as get_default_mmap_options
from .files.options import set_crc32_options as set_crc32_options
from .files.options import set_default_load_endianness as set_default_load_endianness
from .files.options import set_default_mmap_options as set_default_mmap_options
from .files.options import skip_data as skip_data
from .files.registry import add_safe_globals as add_safe_globals
from .files.registry import clear_safe_globals as clear_safe_globals
from .files.registry import get_safe_globals as get_safe_globals
from .files.registry import safe_globals as safe_globals
from .files.report import get_unsafe_globals_in_checkpoint as get_unsafe_globals_in_checkpoint
from .files.storages import DTYPE_OF
from .ops.storages import StorageBase
from .types import FileLike, Storage
from .wont import refusing

DEFAULT_PROTOCOL = 2
FILE_LIKE = FileLike
MAP_LOCATION = Callable[[Storage, str], Storage] | device | str | dict[str, str] | None


class SourceChangeWarning(Warning):
    """That a saved class has other source now (``torch.serialization.SourceChangeWarning``); files here hold no classes."""


class StorageType:
    """A storage class by its name in files (``torch.serialization.StorageType``).

    >>> from kuai.serialization import StorageType
    >>> StorageType('HalfStorage').dtype
    torch.float16
    """

    def __init__(self, name: str):
        if name not in DTYPE_OF:
            raise KeyError(f'pickle storage type "{name}" is not recognized')
        self.dtype: dtype = DTYPE_OF[name]

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


def normalize_storage_type(storage_type: type) -> type:
    """The storage class of a name, whatever module it came from (``torch.serialization.normalize_storage_type``)."""
    import kuai

    return getattr(kuai, storage_type.__name__)


def storage_to_tensor_type(storage: StorageBase) -> type:
    """The old tensor class of a storage's elements (``torch.serialization.storage_to_tensor_type``).

    >>> import kuai as torch
    >>> torch.serialization.storage_to_tensor_type(torch.ones(2).storage()) is torch.FloatTensor
    True
    """
    import kuai

    *parts, name = str(storage.type()).removeprefix("torch.").split(".")  # type: ignore[attr-defined]
    return getattr(kuai.cuda if parts == ["cuda"] else kuai, name.replace("Storage", "Tensor"))


def check_module_version_greater_or_equal(module: ModuleType, req_version_tuple: tuple, error_if_malformed: bool = True) -> bool:
    """Whether a module's version is at least this one (``torch.serialization.check_module_version_greater_or_equal``).

    RuntimeError for a version that is no numbers, or a warning and True.
    """
    numbers = re.match(r"\d+(\.\d+)*", getattr(module, "__version__", ""))
    found = tuple(int(n) for n in numbers[0].split(".")) if numbers else ()
    if len(found) >= len(req_version_tuple):
        return found >= tuple(req_version_tuple)
    message = f"'{module.__name__}' module version string is malformed '{getattr(module, '__version__', None)}'"
    if error_if_malformed:
        raise RuntimeError(f"{message} and cannot be compared with tuple {req_version_tuple}")
    import warnings

    warnings.warn(f"{message}, but continuing assuming that requirement is met", stacklevel=2)
    return True

__getattr__ = refusing(__name__)
