"""Where the values of a program lie while XLA's compiler is told of it: many small ones in one flat array, a room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .bundle import Form
from .program import Aval


class Room:
    """A flat array in which values lie; writing to it makes a new one, which for XLA is the same memory."""

    __slots__ = ("array",)

    def __init__(self, array: Any):
        self.array = array


class Piece(NamedTuple):
    """A value that lies in a room, from a place on."""

    room: Room
    start: int
    aval: Aval

    def array(self) -> Any:
        return self.room.array[self.start : self.start + self.aval.size].reshape(self.aval.shape)


class Values(dict[int, Any]):
    """The values of a program by slot, arrays or pieces of rooms; Python numbers by the complement of their place.

    ``homes`` are the pieces that values of a bundle will be, if loops write to it.
    """

    def __init__(self, xp: Any):
        super().__init__()
        self.xp = xp
        self.homes: dict[int, Piece] = {}

    def array(self, slot: int | None) -> Any:
        """The array of a slot; None for an operand that is absent."""
        if slot is None:
            return None
        found = self[slot]
        return found.array() if type(found) is Piece else found

    def set(self, slots: Iterable[int], arrays: Iterable) -> None:
        """Note results; one that has a home is brought there."""
        for slot, array in zip(slots, arrays):
            home = self.homes.get(slot)
            if home is not None:
                home.room.array = self.xp.lax.dynamic_update_slice(home.room.array, array.reshape(-1), (home.start,))
            self[slot] = array if home is None else home

    def place(self, slot: int, piece: Piece) -> None:
        """Note a result that lies in a room; where that is not its home, it is brought there."""
        home = self.homes.get(slot, piece)
        if home.room is piece.room:
            self[slot] = piece
        else:
            self.set((slot,), (piece.array(),))

    # ---- bundles -----------------------------------------------------------------------------------------------------

    def take(self, form: Form, slots: Sequence[int], array: Any) -> None:
        """Note the values of a bundle that is given."""
        self.update(_pieces(form, slots, Room(array)))

    def prepare(self, form: Form, slots: Sequence[int], columns: Sequence[Sequence[int]]) -> None:
        """Make room for a bundle that is to be made, if a column of values that a loop makes lies in it regularly."""
        pieces = dict(_pieces(form, slots, Room(None)))
        if any(_stride([pieces.get(slot) for slot in column]) for column in columns):
            pieces[slots[0]].room.array = self.xp.zeros(form.size, form.avals[0].dtype.numpy)
            self.homes.update(pieces)

    def join(self, slots: Sequence[int]) -> Any:
        """The bundle of some values: their room, if they were brought to one."""
        if slots[0] in self.homes:
            return self.homes[slots[0]].room.array
        return self.xp.concatenate([self.array(slot).reshape(-1) for slot in slots])

    # ---- columns -----------------------------------------------------------------------------------------------------

    def stride(self, slots: Sequence[int]) -> int:
        """How far each of some values lies behind the one before it in their room; 0 if they do not lie regularly in one."""
        return _stride([self.get(slot) for slot in slots])

    def regular_home(self, slots: Sequence[int]) -> tuple[Room, int, int] | None:
        """The room in which values that are to be made will lie regularly, the first one's place, and the stride."""
        homes = [self.homes.get(slot) for slot in slots]
        stride = _stride(homes)
        return (homes[0].room, homes[0].start, stride) if stride else None  # type: ignore[union-attr]


def _pieces(form: Form, slots: Sequence[int], room: Room) -> list[tuple[int, Piece]]:
    return [(slot, Piece(room, place.start, aval)) for slot, place, aval in zip(slots, form.places, form.avals)]


def _stride(pieces: Sequence[Any]) -> int:
    if any(type(p) is not Piece or p.room is not pieces[0].room for p in pieces):
        return 0
    strides = {b.start - a.start for a, b in zip(pieces, pieces[1:])}
    return strides.pop() if len(strides) == 1 else 0
