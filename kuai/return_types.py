"""The named tuples that functions of several results return (``torch.return_types``).

>>> import kuai as torch
>>> torch.tensor([3., 5.]).max(dim=0)
torch.return_types.max(
values=tensor(5.),
indices=tensor(1))
"""

from __future__ import annotations

from collections.abc import Iterable

from .wont import Absent


class Fields(tuple):
    """A tuple whose places have names; a subclass lists them in ``__match_args__``."""

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()
    n_fields = n_sequence_fields = n_unnamed_fields = 0

    def __new__(cls, sequence: Iterable, dict: object = None) -> Fields:
        made = super().__new__(cls, sequence)
        if len(made) != cls.n_fields:
            raise TypeError(f"torch.return_types.{cls.__name__}() takes a {cls.n_fields}-sequence ({len(made)}-sequence given)")
        return made

    def __repr__(self) -> str:
        fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self.__match_args__, self))
        return f"torch.return_types.{type(self).__name__}(\n{fields})"

    def __reduce__(self) -> tuple:
        return type(self), (tuple(self),)


def _field(i: int, name: str) -> property:
    return property(lambda self: self[i], doc=f"The result at place {i}: {name}.")


def _named(name: str, fields: str) -> type[Fields]:
    names = tuple(fields.split())
    places = {f: _field(i, f) for i, f in enumerate(names)}
    about = {"__slots__": (), "__match_args__": names, "__module__": __name__, "n_fields": len(names),
             "n_sequence_fields": len(names), "__doc__": f"What `{name}` returns: ({', '.join(names)})."}  # fmt: skip
    return type(name, (Fields,), about | places)


_VALUES = "values indices"
_FIELDS = {
    **dict.fromkeys(("max", "min", "median", "nanmedian", "mode", "kthvalue", "sort", "topk", "cummax", "cummin"), _VALUES),
    "aminmax": "min max", "frexp": "mantissa exponent", "histogram": "hist bin_edges", "histogramdd": "hist bin_edges",
    "geqrf": "a tau", "qr": "Q R", "slogdet": "sign logabsdet", "svd": "U S V", "lu_unpack": "P L U",
    "triangular_solve": "solution cloned_coefficient", "linalg_cholesky_ex": "L info",
    "linalg_eig": "eigenvalues eigenvectors", "linalg_eigh": "eigenvalues eigenvectors", "linalg_inv_ex": "inverse info",
    "linalg_ldl_factor": "LD pivots", "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_lstsq": "solution residuals rank singular_values", "linalg_lu": "P L U", "linalg_lu_factor": "LU pivots",
    "linalg_lu_factor_ex": "LU pivots info", "linalg_qr": "Q R", "linalg_slogdet": "sign logabsdet",
    "linalg_solve_ex": "result info", "linalg_svd": "U S Vh",
}  # fmt: skip


def __getattr__(name: str) -> type[Fields]:
    """A type is made when it is first asked for: importing them all would take a millisecond."""
    if name not in _FIELDS:
        raise Absent(__name__, name)
    made = globals()[name] = _named(name, _FIELDS[name])
    return made


def __dir__() -> list[str]:
    return sorted(_FIELDS)
