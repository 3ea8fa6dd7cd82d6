"""What quantizes models (``torch.ao.quantization``), by name only: programs import the names and ask ``isinstance``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NoReturn

# PyTorch's files with what programs take from them; the package has all of it too.
FILES = {
    "observer":
        "AffineQuantizedObserverBase FixedQParamsObserver HistogramObserver MinMaxObserver MovingAverageMinMaxObserver "
        "MovingAveragePerChannelMinMaxObserver NoopObserver ObserverBase PerChannelMinMaxObserver PlaceholderObserver "
        "RecordingObserver ReuseInputObserver UniformQuantizationObserverBase default_debug_observer default_dynamic_quant_observer "
        "default_histogram_observer default_observer default_per_channel_weight_observer default_placeholder_observer "
        "default_weight_observer get_observer_state_dict load_observer_state_dict",
    "fake_quantize":
        "FakeQuantize FakeQuantizeBase FixedQParamsFakeQuantize FusedMovingAvgObsFakeQuantize default_fake_quant "
        "default_fused_act_fake_quant default_fused_wt_fake_quant default_per_channel_weight_fake_quant default_weight_fake_quant "
        "disable_fake_quant disable_observer enable_fake_quant enable_observer",
    "qconfig":
        "QConfig QConfigAny QConfigDynamic default_dynamic_qconfig default_per_channel_qconfig default_qat_qconfig default_qconfig "
        "default_weight_only_qconfig float16_dynamic_qconfig float_qparams_weight_only_qconfig get_default_qat_qconfig "
        "get_default_qconfig",
    "qconfig_mapping": "QConfigMapping get_default_qat_qconfig_mapping get_default_qconfig_mapping",
    "quantize":
        "add_quant_dequant convert default_eval_fn prepare prepare_qat propagate_qconfig_ quantize quantize_dynamic quantize_qat "
        "swap_module",
    "fuse_modules": "fuse_modules fuse_modules_qat",
    "quantize_fx": "convert_fx convert_to_reference_fx fuse_fx prepare_fx prepare_qat_fx",
}  # fmt: skip
# PyTorch's package has these functions where their files would be.
FUNCTIONS = ("fuse_modules", "quantize")


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*args: object, **kwargs: object) -> NoReturn:
        """Not there: no tensor is quantized here."""
        raise NotImplementedError(f"torch.ao.quantization.{name}: kuai has no quantized tensors; run the model in float or bfloat16")

    return refuse


@cache
def named(name: str) -> Any:
    """The class or function of a name, which refuses; None for a name that is none of these."""
    if not any(name in names.split() for names in FILES.values()):
        return None
    if name[0].islower():
        return _refusing(name)
    return type(name, (), {"__init__": _refusing(name), "__doc__": "Quantizes: no object here is one."})


@cache
def file(name: str) -> ModuleType | None:
    """One of PyTorch's files with its names, or None."""
    if name not in FILES:
        return None
    made = ModuleType(f"kuai.ao.quantization.{name}", f"Quantizing (``torch.ao.quantization.{name}``): not there.")
    for each in FILES[name].split():
        setattr(made, each, named(each))
    return made
