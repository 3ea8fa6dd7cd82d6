"""PyTorch's reader of its archives, for programs that look into them (``torch.PyTorchFileReader``)."""

from __future__ import annotations

from typing import BinaryIO

from .zipread import ZipReader


class PyTorchFileReader:
    """The records of a file of PyTorch's zip format, by name (``torch.PyTorchFileReader``); nothing in them is run.

    RuntimeError for a file that is no archive, or a record that it does not have.

    >>> import kuai as torch, tempfile, os
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "x.pt")
    ...     torch.save(torch.ones(2), path)
    ...     torch.PyTorchFileReader(path).get_record("version")
    b'3\\n'
    """

    def __init__(self, name_or_buffer: str | BinaryIO):
        given = name_or_buffer
        self._file = open(given, "rb") if isinstance(given, str) else given  # noqa: SIM115 (it stays open as long as the reader)
        self._archive = ZipReader(self._file)

    def get_all_records(self) -> list[str]:
        """The records' names."""
        return list(self._archive.entries)

    def has_record(self, name: str) -> bool:
        """Whether there is a record of a name."""
        return name in self._archive.entries

    def get_record(self, name: str) -> bytes:
        """A record's bytes."""
        return self._archive.read(name)

    def get_record_size(self, name: str) -> int:
        """How many bytes a record has."""
        return self._archive.entry(name).size

    def get_record_offset(self, name: str) -> int:
        """Where a record's bytes begin in the file."""
        return self._archive.entry(name).offset
