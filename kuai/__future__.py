"""What a module's conversion does with its parameters (``torch.__future__``)."""

_overwrite = False


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether conversions such as ``module.double()`` give a module new parameters and not the old ones new values.

    >>> import kuai as torch
    >>> torch.__future__.set_overwrite_module_params_on_conversion(False)
    """
    global _overwrite
    _overwrite = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What `set_overwrite_module_params_on_conversion` was told.

    >>> import kuai as torch
    >>> torch.__future__.get_overwrite_module_params_on_conversion()
    False
    """
    return _overwrite


_swap = False


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether conversions exchange a parameter with its new value, all that it is: it stays the same object here either way.

    >>> import kuai as torch
    >>> torch.__future__.set_swap_module_params_on_conversion(False)
    """
    global _swap
    _swap = value


def get_swap_module_params_on_conversion() -> bool:
    """What `set_swap_module_params_on_conversion` was told.

    >>> import kuai as torch
    >>> torch.__future__.get_swap_module_params_on_conversion()
    False
    """
    return _swap
