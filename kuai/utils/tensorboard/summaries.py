"""What TensorBoard shows, as the messages of its files: made of tensors, arrays and numbers."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from ...dtypes import int32
from ...ops.complex_numbers import view_as_real
from ...tensor import Tensor

LARGEST_CURVE = 127  # thresholds that TensorBoard shows
_TYPES = {
    "float32": ("DT_FLOAT", "float_val"), "float64": ("DT_DOUBLE", "double_val"), "float16": ("DT_HALF", "half_val"),
    "bfloat16": ("DT_BFLOAT16", "half_val"), "int8": ("DT_INT8", "int_val"), "int16": ("DT_INT16", "int_val"),
    "complex64": ("DT_COMPLEX64", "scomplex_val"), "complex128": ("DT_COMPLEX128", "dcomplex_val"),
    "int32": ("DT_INT32", "int_val"), "int64": ("DT_INT64", "int64_val"), "uint8": ("DT_UINT8", "uint32_val"),
    "bool": ("DT_BOOL", "bool_val"),
}  # fmt: skip


def array_of(x: Any) -> np.ndarray:
    """The elements of a tensor, of an array or of a number."""
    if isinstance(x, Tensor):
        x = x.detach()
        return (x.half() if x.dtype.name == "bfloat16" else x).cpu().numpy()  # type: ignore[attr-defined]
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")


def _value(tag: str, plugin: str | None = None, content: bytes = b"", **what: Any) -> Summary:
    """One value under a tag, with what a plugin wants to know of it."""
    if plugin is not None:
        what["metadata"] = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))
    return Summary(value=[Summary.Value(tag=tag, **what)])


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


# ---- numbers ---------------------------------------------------------------------------------------------------------


def scalar(tag: str, value: Any, new_style: bool = False, double: bool = False) -> Summary:
    """A number; in the new style a tensor of the plugin for scalars."""
    array = array_of(value).squeeze()
    if array.ndim:
        raise AssertionError(f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and {array.ndim} dimensions.")
    number = float(array)
    if not new_style:
        return _value(tag, simple_value=number)
    proto = TensorProto(double_val=[number], dtype="DT_DOUBLE") if double else TensorProto(float_val=[number], dtype="DT_FLOAT")
    return _value(tag, "scalars", tensor=proto)


def tensor(tag: str, value: Tensor) -> Summary:
    """A whole tensor. Half types are written as the bits of float32, as PyTorch writes them."""
    name = value.dtype.name
    if name not in _TYPES:
        raise ValueError(f"{tag} has unsupported tensor dtype {value.dtype}")
    kind, field = _TYPES[name]
    elements: Any = value.detach().reshape(-1)
    if field == "half_val":
        elements = elements.float().view(int32)
    elif value.dtype.is_complex:
        elements = view_as_real(elements).reshape(-1)
    return _value(tag, "tensor", tensor=TensorProto(dtype=kind, tensor_shape=_shape(*value.shape), **{field: elements.tolist()}))


def raw_histogram(tag: str, **what: Any) -> Summary:
    """A histogram that was counted already."""
    return _value(tag, histo=HistogramProto(**what))


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None) -> Summary:
    """How many values are in each bin, from the first that has some to the last; an empty one stands before them."""
    flat = array_of(values).astype(float).reshape(-1)
    if not flat.size:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(flat, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, limits = _coarser(counts, limits, len(counts) // max_bins)
    there = np.flatnonzero(counts)
    first, last = int(there[0]), int(there[-1]) + 1
    counts = counts[first - 1 : last] if first else np.concatenate(([0], counts[:last]))
    return raw_histogram(
        tag, min=flat.min(), max=flat.max(), num=len(flat), sum=flat.sum(), sum_squares=flat @ flat,
        bucket_limit=limits[first : last + 1].tolist(), bucket=counts.tolist(),
    )  # fmt: skip


def _coarser(counts: np.ndarray, limits: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Several neighbouring bins as one."""
    starts = np.arange(0, len(counts), factor)
    return np.add.reduceat(counts, starts), np.append(limits[starts], limits[-1])


def raw_curve(tag: str, rows: Sequence, thresholds: int) -> Summary:
    """A precision-recall curve: true and false positives, true and false negatives, precision and recall."""
    data, n = np.stack([array_of(row) for row in rows]), min(thresholds, LARGEST_CURVE)
    content = PrCurvePluginData(version=0, num_thresholds=n).SerializeToString()
    proto = TensorProto(dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=_shape(*data.shape))
    return _value(tag, "pr_curves", content, tensor=proto)


def curve(tag: str, labels: Any, predictions: Any, thresholds: int, weights: Any) -> Summary:
    """The precision-recall curve of predictions from 0 to 1."""
    n = min(thresholds, LARGEST_CURVE)
    truth, place = array_of(labels).astype(float), np.floor(array_of(predictions) * (n - 1)).astype(int)
    weight = 1.0 if weights is None else array_of(weights)

    def above(of: np.ndarray) -> np.ndarray:
        found, _ = np.histogram(place, bins=n, range=(0, n - 1), weights=of * weight)
        return np.cumsum(found[::-1])[::-1]

    tp, fp = above(truth), above(1 - truth)
    tn, fn = fp[0] - fp, tp[0] - tp
    return raw_curve(tag, (tp, fp, tn, fn, tp / np.maximum(1e-7, tp + fp), tp / np.maximum(1e-7, tp + fn)), n)


# ---- pictures, sounds and words --------------------------------------------------------------------------------------


def image(tag: str, value: Any, form: str) -> Summary:
    """A picture, or several in rows of eight; ``form`` names the dimensions (CHW). Bytes are as they are, else 1 is white."""
    from PIL import Image

    array = array_of(value)
    scale = 1 if array.dtype == np.uint8 else 255
    pixels = (_as_hwc(array, form).astype(np.float32) * scale).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format="PNG")
    height, width, channels = pixels.shape
    shown = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=out.getvalue())
    return _value(tag, image=shown)


def _as_hwc(array: np.ndarray, form: str) -> np.ndarray:
    """A picture in rows and columns of colours; grey ones get three equal colours."""
    if len(set(form)) != len(form):
        raise AssertionError(f"You can not use the same dimension shorthand twice. input_format: {form}")
    if array.ndim != len(form):
        raise AssertionError(f"size of input tensor and input format are different. tensor shape: {array.shape}, input_format: {form}")
    order = {2: "HW", 3: "HWC", 4: "NCHW"}[len(form)]
    array = array.transpose([form.upper().index(d) for d in order])
    if array.ndim == 4:
        return _grid(array)
    array = array if array.ndim == 3 else array[..., None]
    return np.repeat(array, 3, 2) if array.shape[2] == 1 else array


def _grid(images: np.ndarray) -> np.ndarray:
    """Pictures (NCHW) side by side, eight in a row."""
    images = np.repeat(images, 3, 1) if images.shape[1] == 1 else images
    n, c, h, w = images.shape
    if c != 3:
        raise AssertionError(f"Input should be a 4D numpy array with 3 channels, got {c}")
    columns = min(n, 8)
    rows = -(-n // columns)
    room = np.zeros((rows * columns, h, w, c), images.dtype)
    room[:n] = images.transpose(0, 2, 3, 1)
    return room.reshape(rows, columns, h, w, c).swapaxes(1, 2).reshape(rows * h, columns * w, c)


def figure(given: Any, close: bool) -> np.ndarray:
    """What Matplotlib draws, as CHW; of a list, as NCHW."""
    if isinstance(given, list):
        return np.stack([figure(one, close) for one in given])
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(given)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].transpose(2, 0, 1)
    if close:
        pyplot.close(given)
    return pixels


def audio(tag: str, value: Any, rate: int) -> Summary:
    """A sound of one channel, from -1 to 1, as WAV."""
    sound = array_of(value).squeeze()
    if sound.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    frames = (sound.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(frames.tobytes())
    shown = Summary.Audio(
        sample_rate=rate, num_channels=1, length_frames=len(frames), encoded_audio_string=out.getvalue(), content_type="audio/wav"
    )  # fmt: skip
    return _value(tag, audio=shown)


def text(tag: str, words: str) -> Summary:
    """Words, as Markdown."""
    proto = TensorProto(dtype="DT_STRING", string_val=[words.encode()], tensor_shape=_shape(1))
    return _value(f"{tag}/text_summary", "text", TextPluginData(version=0).SerializeToString(), tensor=proto)


# ---- how numbers are shown together ----------------------------------------------------------------------------------


def charts(layout: dict[str, dict[str, list]]) -> Summary:
    """Which scalars share a chart: ``{category: {title: ["Multiline" or "Margin", tags]}}``."""
    categories = [
        layout_pb2.Category(title=category, chart=[_chart(title, *what) for title, what in of.items()]) for category, of in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    proto = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=TensorShapeProto())
    return _value("custom_scalars__config__", "custom_scalars", tensor=proto)


def _chart(title: str, kind: str, tags: Sequence[str]) -> Any:
    if kind != "Margin":
        return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    if len(tags) != 3:
        raise AssertionError(f"Expected 3 tags, got {len(tags)}.")
    series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))


def hyperparameters(given: dict, metrics: dict, domains: dict | None) -> list[Summary]:
    """A run's hyperparameters, and the names of what measures it."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    started, infos = plugin_data_pb2.SessionStartInfo(), []
    for name, value in given.items():
        if value is not None:
            field, kind, value = _hyperparameter(value)
            setattr(started.hparams[name], field, value)
            domain = _domain(name, field, given, (domains or {}).get(name))
            infos.append(api_pb2.HParamInfo(name=name, type=api_pb2.DataType.Value(kind), domain_discrete=domain))
    measured = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metrics]
    ended = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    parts = (
        (metadata.EXPERIMENT_TAG, {"experiment": api_pb2.Experiment(hparam_infos=infos, metric_infos=measured)}),
        (metadata.SESSION_START_INFO_TAG, {"session_start_info": started}),
        (metadata.SESSION_END_INFO_TAG, {"session_end_info": ended}),
    )
    version = metadata.PLUGIN_DATA_VERSION
    return [
        _value(tag, metadata.PLUGIN_NAME, plugin_data_pb2.HParamsPluginData(version=version, **what).SerializeToString())
        for tag, what in parts
    ]


def _hyperparameter(value: Any) -> tuple[str, str, Any]:
    """The field and the type of a hyperparameter, and its plain value. PyTorch takes True and False for numbers."""
    if isinstance(value, (int, float)):
        return "number_value", "DATA_TYPE_FLOAT64", value
    if isinstance(value, str):
        return "string_value", "DATA_TYPE_STRING", value
    if isinstance(value, Tensor):
        return "number_value", "DATA_TYPE_FLOAT64", float(array_of(value).reshape(-1)[0])
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def _domain(name: str, field: str, given: dict, values: Any) -> Any:
    from google.protobuf import struct_pb2

    if values is None:
        return None
    if not isinstance(values, list) or not all(isinstance(v, type(given[name])) for v in values):
        raise TypeError(f"parameter: hparam_domain_discrete[{name}] should be a list of same type as hparam_dict[{name}].")
    return struct_pb2.ListValue(values=[struct_pb2.Value(**{field: v}) for v in values])
