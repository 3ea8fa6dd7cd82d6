"""Downloading weights (``torch.hub``). Repositories of code are not loaded: that would run what was downloaded."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlparse as urlparse

from tqdm import tqdm as tqdm

from .wont import refusing

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_folder: str | None = None


def get_dir() -> str:
    """The folder of downloads: what `set_dir` said, or ``$TORCH_HOME/hub`` (``torch.hub.get_dir``).

    >>> from kuai import hub
    >>> hub.get_dir().endswith("hub")
    True
    """
    return _folder or os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike) -> None:
    """Choose the folder of downloads (``torch.hub.set_dir``)."""
    global _folder
    _folder = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str | os.PathLike, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Download a file, check the beginning of its SHA-256 and move it into place (``torch.hub.download_url_to_file``).

    RuntimeError if the hash is another; what was there before stays then.
    """
    import hashlib
    from tempfile import NamedTemporaryFile
    from urllib.request import Request, urlopen

    target, digest = Path(dst).expanduser(), hashlib.sha256()
    with urlopen(Request(url, headers={"User-Agent": "kuai"})) as source, NamedTemporaryFile(
        dir=target.parent, delete=False
    ) as f:
        total = int(source.headers.get("Content-Length") or 0)
        with tqdm(total=total or None, unit="B", unit_scale=True, disable=not progress) as bar:
            while chunk := source.read(1 << 17):
                f.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    found = digest.hexdigest()
    if hash_prefix and not found.startswith(hash_prefix):
        os.unlink(f.name)
        raise RuntimeError(f'invalid hash value of {url} (expected "{hash_prefix}", got "{found}")')
    os.replace(f.name, target)


def load_state_dict_from_url(url: str, model_dir: str | None = None, map_location: object = None, progress: bool = True,
                             check_hash: bool = False,
                             file_name: str | None = None, weights_only: bool = True) -> object:  # fmt: skip
    """Load a checkpoint from a URL, downloaded once (``torch.hub.load_state_dict_from_url``)."""
    from .files import load

    folder = Path(model_dir or os.path.join(get_dir(), "checkpoints"))
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    cached = folder / name
    if not cached.exists():
        match = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, cached, match.group(1) if match else None, progress)
    return load(cached, map_location=map_location)


load_url = load_state_dict_from_url  # its name in torch.utils.model_zoo


def _refused(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"torch.hub.{name}: kuai does not run downloaded code; install the package and import its model, then give it the "
        "weights with load_state_dict_from_url"
    )


def load(repo_or_dir: str, model: str, *args: object, **kwargs: object) -> object:
    """Not there: it would run downloaded code."""
    raise _refused("load")


def list(github: str, *args: object, **kwargs: object) -> object:
    """Not there: it would run downloaded code.

    >>> import kuai as torch
    >>> callable(torch.hub.list)
    True
    """
    raise _refused("list")

__getattr__ = refusing(__name__)
