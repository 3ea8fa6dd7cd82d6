"""Intel's library (``torch.backends.mkl``): XLA and NumPy bring their own."""


def is_available() -> bool:
    """False: it is not used.

    >>> from kuai.backends import mkl
    >>> mkl.is_available()
    False
    """
    return False
