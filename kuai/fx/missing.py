"""The one error of all of ``torch.fx`` that would trace."""

from __future__ import annotations


def missing(name: str) -> NotImplementedError:
    """What to raise where a program asks for a symbolic graph."""
    return NotImplementedError(
        f"torch.fx.{name}: kuai records values and has no symbolic tracing; call the module itself, or take "
        "intermediate results with register_forward_hook"
    )
