"""OpenMP (``torch.backends.openmp``)."""


def is_available() -> bool:
    """False: XLA has threads of its own.

    >>> from kuai.backends import openmp
    >>> openmp.is_available()
    False
    """
    return False
