"""The processor (``torch.backends.cpu``)."""


def get_cpu_capability() -> str:
    """The widest vector instructions that the processor has, as PyTorch names them.

    >>> from kuai.backends import cpu
    >>> cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    True
    """
    try:
        with open("/proc/cpuinfo") as f:
            flags = f.read()
    except OSError:
        return "DEFAULT"
    return "AVX512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "DEFAULT"
