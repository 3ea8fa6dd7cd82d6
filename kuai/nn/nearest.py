"""For keys of a state_dict that do not match: which ones may have been meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MOST = 50  # keys that are given a neighbour


def hints(module: Any, state_dict: Mapping, missing: list[str], unexpected: list[str]) -> list[str]:
    """Lines that name the nearest key for each one that is missing or not expected."""
    wrapped = _prefix(missing, unexpected)
    lines = [f"All keys begin with {p!r}: the file holds a wrapped model; take that off the keys." for p in wrapped]
    own = module.state_dict(keep_vars=True)
    pairs = [*_pairs(missing, unexpected, state_dict, "in the file"), *_pairs(unexpected, missing, own, "in the model")]
    if pairs:
        lines.append(f"Nearest: {', '.join(pairs)}.")
    return lines


def _prefix(missing: list[str], unexpected: list[str]) -> list[str]:
    """The beginning that all unexpected keys share and without which they would be the missing ones."""
    first = unexpected[0].partition(".")[0] + "." if unexpected else ""
    stripped = {key.removeprefix(first) for key in unexpected if key.startswith(first)}
    return [first] if missing and first != "." and stripped == set(missing) else []


def _pairs(keys: list[str], likely: Iterable[str], all_keys: Iterable[str], where: str) -> list[str]:
    from difflib import get_close_matches

    found = []
    for key in keys[:_MOST]:
        near = get_close_matches(key, likely, 1, 0.5) or get_close_matches(key, all_keys, 1, 0.7)
        found += [f'"{key}" ~ "{near[0]}" {where}'] if near else []
    return found
