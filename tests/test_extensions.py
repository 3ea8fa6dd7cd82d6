"""kuai's own versions of torchvision's compiled operators, beside plain loops over what they mean.

They have been compared with the compiled ones too; these do not load beside every build of PyTorch.
"""

import numpy as np
import pytest

import kuai
from kuai import ops

ops.load_library("torchvision/_C.so")
V = ops.torchvision


def rng():
    return np.random.default_rng(0)


def T(array, grad=False):
    return kuai.from_numpy(np.ascontiguousarray(array)).requires_grad_(grad)


def regions(count=5, images=2, size=12):
    corner, extent = rng().random((count, 2)) * size - 1, rng().random((count, 2)) * size
    image = rng().integers(0, images, (count, 1))
    return np.concatenate([image, corner, corner + extent], 1)


def features(channels=3):
    return rng().standard_normal((2, channels, 11, 9))


# ---- one at a time, in loops -----------------------------------------------------------------------------------------


def bilinear(plane, y, x):
    """A sample within one cell of the plane, which goes on beyond its edges; 0 further away."""
    height, width = plane.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    i, j = int(y), int(x)
    k, m = min(i + 1, height - 1), min(j + 1, width - 1)
    dy, dx = y - i, x - j
    return (plane[i, j] * (1 - dy) * (1 - dx) + plane[i, m] * (1 - dy) * dx + plane[k, j] * dy * (1 - dx) + plane[k, m] * dy * dx)


def aligned_region(x, box, bins, scale, ratio, offset, least, channel):
    left, top, right, bottom = box[1:] * scale - offset
    tall, wide = max(bottom - top, least), max(right - left, least)
    (ph, pw), image = bins, x[int(box[0])]
    gh, gw = (ratio, ratio) if ratio > 0 else (int(np.ceil(tall / ph)), int(np.ceil(wide / pw)))
    out = np.zeros((channel(0, 0).size, ph, pw))
    for i, j in np.ndindex(ph, pw):
        for c, source in enumerate(channel(i, j)):
            out[c, i, j] = sum(
                bilinear(image[source], top + tall / ph * (i + (a + 0.5) / gh), left + wide / pw * (j + (b + 0.5) / gw))
                for a in range(gh) for b in range(gw)
            ) / max(gh * gw, 1)  # fmt: skip
    return out


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [2, -1])
def test_roi_align(ratio, aligned):
    x, boxes = features(), regions()
    given = V.roi_align(T(x), T(boxes), 0.9, 3, 2, ratio, aligned)
    expected = [aligned_region(x, b, (3, 2), 0.9, ratio, 0.5 * aligned, -np.inf if aligned else 1.0, lambda i, j: np.arange(3))
                for b in boxes]  # fmt: skip
    np.testing.assert_allclose(given.numpy(), expected, atol=1e-10)


def test_ps_roi_align():
    x, boxes = features(12), regions()
    given, channels = V.ps_roi_align(T(x), T(boxes), 0.8, 2, 3, 2)
    own = np.arange(12).reshape(2, 2, 3)
    expected = [aligned_region(x, b, (2, 3), 0.8, 2, 0.5, -np.inf, lambda i, j: own[:, i, j]) for b in boxes]
    np.testing.assert_allclose(given.numpy(), expected, atol=1e-10)
    assert (channels.numpy() == own).all() and channels.dtype is kuai.int32


def whole_bins(box, bins, scale, shape, extra, margin):
    """The cells of each bin of a region on whole cells."""
    left, top, right, bottom = (int(np.sign(v) * np.floor(abs(v) + 0.5)) for v in box[1:] * scale)
    for i, j in np.ndindex(*bins):
        edges = []
        for start, extent, k, n, length in ((top, bottom - top, i, bins[0], shape[0]), (left, right - left, j, bins[1], shape[1])):
            step, limit = max(extent + extra, 1) / n, length - margin
            edges.append(slice(*np.clip([int(np.floor(k * step)) + start, int(np.ceil((k + 1) * step)) + start], 0, limit)))
        yield i, j, *edges


def test_roi_pool():
    x, boxes = features(), regions()
    given, winners = V.roi_pool(T(x), T(boxes), 0.9, 3, 2)
    for k, box in enumerate(boxes):
        for i, j, rows, columns in whole_bins(box, (3, 2), 0.9, x.shape[2:], 1, 0):
            part = x[int(box[0])][:, rows, columns]
            if part.size == 0:
                assert (given[k, :, i, j] == 0).all() and (winners[k, :, i, j] == -1).all()
                continue
            np.testing.assert_array_equal(given[k, :, i, j].numpy(), part.max((1, 2)))
            at = np.unravel_index(winners[k, :, i, j].numpy(), x.shape[2:])
            np.testing.assert_array_equal(x[int(box[0])][np.arange(3), at[0], at[1]], part.max((1, 2)))


def test_ps_roi_pool():
    x, boxes = features(12), regions()
    given, _ = V.ps_roi_pool(T(x), T(boxes), 0.8, 2, 3)
    own = np.arange(12).reshape(2, 2, 3)
    for k, box in enumerate(boxes):
        for i, j, rows, columns in whole_bins(box, (2, 3), 0.8, x.shape[2:], 0, 1):
            part = x[int(box[0])][own[:, i, j]][:, rows, columns]
            np.testing.assert_allclose(given[k, :, i, j].numpy(), part.mean((1, 2)) if part.size else 0, atol=1e-12)


@pytest.mark.parametrize("name, arguments, channels", [
    ("roi_align", (0.9, 3, 2, 2, True), 3), ("roi_pool", (0.9, 3, 2), 3), ("ps_roi_align", (0.8, 2, 3, 2), 6),
])  # fmt: skip
def test_derivatives_of_pools(name, arguments, channels):
    """The operator's own derivative, and the one that torchvision registers: an operator of its own."""
    x, boxes = T(features(channels), grad=True), T(regions())
    out = getattr(V, name)(x, boxes, *arguments)
    out, extra = out if isinstance(out, tuple) else (out, None)
    weight = T(rng().standard_normal(tuple(out.shape)))
    inner = [] if extra is None else [extra]
    pooled, rest = arguments[:3], arguments[3:]
    backward = getattr(V, f"_{name}_backward")
    shape = tuple(x.shape)
    tail = (*shape, *rest) if name == "roi_align" else (*rest, *shape)
    given = backward(weight, boxes, *inner, *pooled, *tail)
    step = 1e-6
    for at in ((0, 0, 3, 4), (1, channels - 1, 5, 5), (0, 1, 0, 0)):
        moved = [features(channels) for _ in range(2)]
        moved[0][at] += step
        moved[1][at] -= step
        ends = [getattr(V, name)(T(m), boxes, *arguments) for m in moved]
        high, low = (e[0] if isinstance(e, tuple) else e for e in ends)
        assert given[at].item() == pytest.approx((((high - low) * weight).sum() / (2 * step)).item(), abs=1e-6)


def test_no_regions():
    x, none = T(features()), kuai.zeros(0, 5, dtype=kuai.float64)
    assert V.roi_align(x, none, 1.0, 3, 2, 2, False).shape == (0, 3, 3, 2)
    grad = V._roi_align_backward(kuai.zeros(0, 3, 3, 2, dtype=kuai.float64), none, 1.0, 3, 2, 2, 3, 11, 9, 2, False)
    assert grad.shape == (2, 3, 11, 9) and not grad.any()


# ---- boxes -----------------------------------------------------------------------------------------------------------


def overlap(a, b):
    extent = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = np.prod(np.maximum(extent, 0))
    return common / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_nms(threshold):
    corner = rng().random((60, 2)) * 30
    boxes, scores = np.concatenate([corner, corner + 5 + rng().random((60, 2)) * 20], 1), rng().random(60)
    kept = []
    for i in np.argsort(-scores):
        if all(overlap(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    found = V.nms(T(boxes), T(scores), threshold)
    assert found.tolist() == kept and found.dtype is kuai.int64 and len(kept) < 60
    assert V.nms(kuai.zeros(0, 4), kuai.zeros(0), threshold).tolist() == []
    with pytest.raises(RuntimeError, match="4 elements"):
        V.nms(kuai.zeros(3, 5), kuai.zeros(3), threshold)
    with pytest.raises(RuntimeError, match="same number"):
        V.nms(kuai.zeros(3, 4), kuai.zeros(2), threshold)


# ---- bent windows ----------------------------------------------------------------------------------------------------

GEOMETRY = (2, 1, 1, 1, 1, 2)  # strides, padding, dilation


def bent(x, weight, offset, mask, bias, groups, offset_groups, use_mask):
    return V.deform_conv2d(x, weight, offset, mask, bias, *GEOMETRY, groups, offset_groups, use_mask)


def test_deform_conv2d_without_offsets_is_conv2d():
    x, weight, bias = (T(rng().standard_normal(s)) for s in ((2, 4, 9, 8), (6, 2, 3, 2), (6,)))
    expected = kuai.nn.functional.conv2d(x, weight, bias, stride=(2, 1), padding=1, dilation=(1, 2), groups=2)
    offset = kuai.zeros(2, 2 * 2 * 6, *expected.shape[2:], dtype=kuai.float64)
    mask = kuai.full((2, 2 * 6, *expected.shape[2:]), 0.5, dtype=kuai.float64)
    given = bent(x, weight, offset, mask, bias, 2, 2, False)
    np.testing.assert_allclose(given.numpy(), expected.numpy(), atol=1e-10)
    halved = bent(x, weight, offset, mask, bias * 0, 2, 2, True)
    np.testing.assert_allclose(halved.numpy(), (expected - bias.view(-1, 1, 1)).numpy() / 2, atol=1e-10)


def test_deform_conv2d_moved_by_whole_cells():
    """Offsets of one row and minus one column are a convolution of the moved image, where that is inside."""
    x, weight = T(rng().standard_normal((1, 2, 9, 8))), T(rng().standard_normal((3, 2, 3, 2)))
    plain = kuai.nn.functional.conv2d(x, weight, stride=(2, 1), padding=1, dilation=(1, 2))
    offset = kuai.zeros(1, 6, 2, *plain.shape[2:], dtype=kuai.float64)
    offset[:, :, 0], offset[:, :, 1] = 1.0, -1.0
    offset = offset.reshape(1, 12, *plain.shape[2:])
    moved = kuai.nn.functional.pad(x, (1, 0, 0, 1))[:, :, 1:, :-1]
    expected = kuai.nn.functional.conv2d(moved, weight, stride=(2, 1), padding=1, dilation=(1, 2))
    given = bent(x, weight, offset, kuai.zeros(1, 1), kuai.zeros(3, dtype=kuai.float64), 1, 1, False)
    np.testing.assert_allclose(given[:, :, 1:, 1:-1].numpy(), expected[:, :, 1:, 1:-1].numpy(), atol=1e-10)


def test_derivatives_of_deform_conv2d():
    shapes = ((1, 2, 4, 3), (2, 2, 2, 2), (1, 8, 2, 2), (1, 4, 2, 2), (2,))
    given = [T(rng().random(s) * 0.8 + 0.05, grad=True) for s in shapes]
    geometry = (2, 1, 0, 0, 1, 1, 1, 1, True)
    assert kuai.autograd.gradcheck(lambda *tensors: V.deform_conv2d(*tensors, *geometry), given)
    out = V.deform_conv2d(*given, *geometry)
    expected = kuai.autograd.grad(out.sum(), given)
    found = V._deform_conv2d_backward(kuai.ones_like(out), *given, *geometry)
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-12)


def test_what_is_not_there_says_so():
    with pytest.raises(NotImplementedError, match="quantized"):
        V.qnms(kuai.zeros(1, 4), kuai.zeros(1), 0.5)
    with pytest.raises(OSError, match="compiled for PyTorch"):
        ops.load_library("somewhere/else/_C.so")
