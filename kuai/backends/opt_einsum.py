"""The order of einsum's contractions (``torch.backends.opt_einsum``). It can be set and is kept: operands are taken from left to right."""

enabled = False
strategy = None


def is_available() -> bool:
    """False: contractions are not reordered."""
    return False
