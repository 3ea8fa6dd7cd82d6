"""What the programs print: one line of JSON per result, for tests/test_programs.py to compare."""

import json


def report(name, *values):
    """Print a result's name and its numbers, whatever they came in."""
    print(json.dumps([name, [number for value in values for number in flat(value)]]), flush=True)


def flat(value):
    """The numbers of a tensor, of a number, or of a nested sequence of them."""
    if hasattr(value, "detach"):
        return value.detach().double().reshape(-1).tolist()
    if isinstance(value, (list, tuple)):
        return [number for entry in value for number in flat(entry)]
    return [float(value)]
