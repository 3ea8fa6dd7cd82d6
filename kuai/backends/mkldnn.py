"""Intel's library (``torch.backends.mkldnn``): XLA and NumPy bring their own."""

enabled = True


def is_available() -> bool:
    """False: it is not used.

    >>> from kuai.backends import mkldnn
    >>> mkldnn.is_available()
    False
    """
    return False
