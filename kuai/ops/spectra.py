"""The short-time Fourier transform, and its inverse by overlapping and adding."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, from_array
from . import fourier, padding, rules
from .slicing import spread, whole
from .taking import add_at


def _framed(window: Tensor | None, like: Tensor, n_fft: int, win_length: int) -> Tensor:
    """The window, or ones, in the middle of a frame."""
    if window is None:
        window = like.new_ones((win_length,), dtype=like.dtype.to_real())
    if win_length == n_fft:
        return window
    before = (n_fft - win_length) // 2
    return padding.pad(window, (before, n_fft - win_length - before))


def _sizes(n_fft: int, hop_length: int | None, win_length: int | None) -> tuple[int, int]:
    return n_fft // 4 if hop_length is None else hop_length, n_fft if win_length is None else win_length


def _need(holds: bool, name: str, x: Tensor, message: str) -> None:
    if not holds:
        raise RuntimeError(f"{name}(torch.{rules._cname(x.dtype)}Tensor{list(x.shape)}): {message}")


def _check_frames(name: str, x: Tensor, n_fft: int, hop: int, length: int, window: Tensor | None) -> None:
    _need(hop > 0, name, x, f"expected hop_length > 0, but got hop_length={hop}")
    _need(0 < length <= n_fft, name, x, f"expected 0 < win_length <= n_fft, but got win_length={length}")
    if window is not None:
        given = list(window.shape)
        message = f"expected a 1D window tensor of size equal to win_length={length}, but got window with size {given}"
        _need(given == [length], name, x, message)


def _need_whole(onesided: bool | None, is_complex: bool) -> None:
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")


def stft(input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
         center: object = True, pad_mode: str = "reflect", normalized: bool = False, onesided: bool | None = None,
         return_complex: bool | None = None, align_to_window: bool | None = None) -> Tensor:  # fmt: skip
    """The Fourier transforms of windows that hop along a signal (``torch.stft``).

    >>> import kuai as torch
    >>> torch.stft(torch.ones(16), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 17])
    """
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    hop, length = _sizes(n_fft, hop_length, win_length)
    x = _padded(input, n_fft, pad_mode) if center else input
    _need(x.dtype.category > 1, "stft", x, "expected a tensor of floating point or complex values")
    _need(x.ndim in (1, 2), "stft", x, "expected a 1D or 2D tensor")
    _need(0 < n_fft <= x.shape[-1], "stft", x, f"expected 0 < n_fft < {x.shape[-1]}, but got n_fft={n_fft}")
    _check_frames("stft", x, n_fft, hop, length, window)
    frames = x.unfold(-1, n_fft, hop)
    if window is not None or length != n_fft:
        frames = frames * _framed(window, x, n_fft, length)
    _need_whole(onesided, is_complex)
    transform = fourier.rfft if (not is_complex if onesided is None else onesided) else fourier.fft
    made = transform(frames, norm="ortho" if normalized else None).transpose(-2, -1)
    return made if return_complex else _parts(made)


def _padded(x: Tensor, n_fft: int, mode: str) -> Tensor:
    """A signal with half a frame more at both ends."""
    leading = 3 - x.ndim
    made = padding.pad(x.reshape((1,) * leading + tuple(x.shape)), (n_fft // 2, n_fft // 2), mode)
    return made.reshape((*x.shape[:-1], made.shape[-1]))


def _parts(x: Tensor) -> Tensor:
    from .joining import stack

    return stack([x.real, x.imag], -1)


# ---- back ----------------------------------------------------------------------------------------------------------


def _overlapped(frames: Tensor, hop: int) -> Tensor:
    """The sum of frames, each put a hop after the one before."""
    *batch, count, n = frames.shape
    places = (np.arange(count)[:, None] * hop + np.arange(n)).reshape(-1)
    total = n + hop * (count - 1)
    flat = frames.reshape((-1, count * n))
    index = from_array(places, frames.device)
    return add_at(None, flat, index, dim=1, count=1, shape=(flat.shape[0], total)).reshape((*batch, total))


def istft(input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None, window: Tensor | None = None,
          center: bool = True, normalized: bool = False, onesided: bool | None = None, length: int | None = None,
          return_complex: bool = False) -> Tensor:  # fmt: skip
    """The signal that a short-time Fourier transform is of (``torch.istft``).

    >>> import kuai as torch
    >>> x, w = torch.arange(16.), torch.hann_window(8)
    >>> torch.allclose(torch.istft(torch.stft(x, 8, window=w, return_complex=True), 8, window=w), x, atol=1e-5)
    True
    """
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True."
        )
    if not input.ndim:
        raise IndexError("istft: Dimension out of range: the input has no dimensions, needs 2 or 3")
    hop, size = _sizes(n_fft, hop_length, win_length)
    one = input.shape[-2:-1] != (n_fft,) if onesided is None else onesided
    _need_whole(one, return_complex or (window is not None and window.dtype.is_complex))
    _check_spectrum(input, n_fft, one)
    _check_frames("istft", input, n_fft, hop, size, window)
    weights = _framed(window, input, n_fft, size)
    frames = _frames_of(input.transpose(-2, -1), n_fft, normalized, return_complex) * weights
    total = frames.shape[-1] + hop * (frames.shape[-2] - 1)
    start = n_fft // 2 if center else 0
    end = start + length if length is not None else total - start
    signal = _overlapped(frames, hop)[..., start : min(end, total)]
    envelope = _overlapped((weights * weights).expand(frames.shape[-2:]), hop)[start : min(end, total)]
    if envelope._aval.size and not envelope.abs().min().item() > 1e-11:
        raise RuntimeError(f"istft({list(input.shape)}, n_fft={n_fft}, hop_length={hop}): window overlap add min is zero")
    return _lengthened(signal / envelope, length)


def _frames_of(spectrum: Tensor, n_fft: int, normalized: bool, return_complex: bool) -> Tensor:
    norm = "ortho" if normalized else None
    if return_complex:
        return fourier.ifft(spectrum, norm=norm)
    return fourier.irfft(spectrum[..., : n_fft // 2 + 1], n_fft, norm=norm)


def _check_spectrum(x: Tensor, n_fft: int, onesided: bool) -> None:
    _need(x.ndim in (2, 3), "istft", x, f"expected a tensor with 2 or 3 dimensions, but got {x.ndim}")
    _need(x._aval.size > 0, "istft", x, "input tensor cannot be empty.")
    wanted, formula = (n_fft // 2 + 1, "n_fft / 2 + 1") if onesided else (n_fft, "n_fft")
    message = (
        f"expected the frequency dimension (3rd to the last) of the input tensor to match {formula} when onesided={onesided}, "
        f"but got {x.shape[-2]}"
    )
    _need(x.shape[-2] == wanted, "istft", x, message)


def _lengthened(x: Tensor, length: int | None) -> Tensor:
    if length is None or x.shape[-1] >= length:
        return x
    return spread(x, None, spec=tuple(map(whole, x.shape)), shape=(*x.shape[:-1], length))


METHODS = ("stft", "istft")
INPLACE = ()
