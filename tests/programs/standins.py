"""Stand-ins for packages that published programs import at their top and that nothing here needs: plots, images, downloads.

They only let the import statement pass; no number of the program comes from them.
"""

import sys
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

NAMES = ["torchvision", "PIL", "pandas", "requests", "IPython", "matplotlib", "matplotlib.pyplot", "matplotlib_inline"]
NAMES += ["scipy", "scipy.spatial", "scipy.ndimage", "scipy.ndimage.morphology", "librosa", "webrtcvad"]
NAMES += ["requests.adapters", "torchvision.transforms", "torchvision.ops", "torchvision.ops.boxes"]


class Standin(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=f"{self.__name__}.{name}")


@contextmanager
def installed():
    """Stand-ins, for as long as an import takes, where a package is not installed.

    For torchvision always: as it comes from PyPI it does not import beside the PyTorch that the programs are compared with.
    """
    absent = [name for name in NAMES if name.partition(".")[0] == "torchvision" or not there(name)]
    for name in absent:
        sys.modules[name] = Standin(name)
        sys.modules[name].__path__ = []
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    yield
    for name in absent:
        del sys.modules[name]


@contextmanager
def without_torchvision():
    """As if torchvision were not installed, for packages that go without it then."""
    sys.modules["torchvision"] = None
    yield
    del sys.modules["torchvision"]


def there(name):
    """Whether a module can be imported."""
    parent = name.rpartition(".")[0]
    return (not parent or there(parent)) and find_spec(name) is not None
