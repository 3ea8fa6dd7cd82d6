"""Help around modules (``torch.nn.utils``). Most parts are imported when they are asked for; not those that have the name of
their function, which importing the part would hide.
"""

from importlib import import_module

from ...wont import Absent
from .spectral_norm import remove_spectral_norm as remove_spectral_norm
from .spectral_norm import spectral_norm as spectral_norm
from .weight_norm import remove_weight_norm as remove_weight_norm
from .weight_norm import weight_norm as weight_norm

PARTS = {
    "clip_grad": "clip_grad_norm clip_grad_norm_ clip_grad_value_ clip_grads_with_norm_ get_total_norm",
    "convert_parameters": "parameters_to_vector vector_to_parameters",
    "fusion": "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights",
    "init": "skip_init",
    "memory_format": "convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format",
    "parametrizations": "",
    "parametrize": "",
    "prune": "",
    "rnn": "",
    "stateless": "",
}
WHERE = {name: part for part, names in PARTS.items() for name in names.split()}


def __getattr__(name: str) -> object:
    if name in WHERE:
        found: object = getattr(import_module(f"{__name__}.{WHERE[name]}"), name)
    elif name in PARTS:
        found = import_module(f"{__name__}.{name}")
    else:
        raise Absent(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *WHERE, *PARTS})
