"""Bodies of the special functions: what NumPy and jax.numpy lack.

Most are Chebyshev series. Their coefficients were computed for kuai, by interpolating each function at Chebyshev points with 40
digits and dropping what is below 1e-17 of the largest; how the range is cut, and which factor is taken out to leave something
smooth, is the literature's, named where it is used.
"""
