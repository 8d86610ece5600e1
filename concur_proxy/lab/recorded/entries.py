"""The JSON values of a trace: the lines of a file, the elements of an array, or the files of a folder, also in gzip."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from concur_proxy.lab.recorded.request import TraceProblem

GZIP_MAGIC = b"\x1f\x8b"
ENDINGS = (".json", ".jsonl", ".gz")
_Value = TypeVar("_Value")
MOST_BYTES = 4 << 30
"""A larger file is not read at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One JSON value."""

    place: str
    """The file and the line or element, for errors."""
    text: bytes | msgspec.Raw


def entries(path: Path) -> Iterator[Entry]:
    """The values in order. Files of a folder come in the order of their names. Raises `TraceProblem`."""
    for file in _files(path):
        content = _read(file)
        if content.lstrip()[:1] == b"[":
            for number, value in enumerate(decoded(msgspec.json.Decoder(list[msgspec.Raw]), content, str(file))):
                yield Entry(f"{file}: element {number}", value)
        elif _is_one_object(content):
            yield Entry(str(file), content)
        else:
            for number, line in enumerate(content.splitlines(), start=1):
                if line.strip():
                    yield Entry(f"{file}: line {number}", line)


def decoded(decoder: msgspec.json.Decoder[_Value], text: bytes | msgspec.Raw, place: str) -> _Value:
    """The value. Raises `TraceProblem` with its place and the field that is wrong."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceProblem(f"{place}: {error}") from None
    except RecursionError:
        raise TraceProblem(f"{place}: is nested too deeply") from None


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        files = sorted(each for each in path.iterdir() if each.name.endswith(ENDINGS) and each.is_file())
    except OSError as error:
        raise TraceProblem(f"{path}: cannot be read: {error}") from None
    if not files:
        raise TraceProblem(f"{path}: the folder has no file that ends in {', '.join(ENDINGS)}")
    return files


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            is_compressed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            content = (gzip.GzipFile(fileobj=file) if is_compressed else file).read(MOST_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise TraceProblem(f"{path}: cannot be read: {error}") from None
    return content


def _is_one_object(content: bytes) -> bool:
    """Whether it is one object, which may take several lines."""
    first, _, rest = content.lstrip().partition(b"\n")
    if not rest.strip():
        return True
    try:
        msgspec.json.decode(first, type=msgspec.Raw)
    except msgspec.DecodeError:
        return first.strip().startswith(b"{") and not rest.lstrip().startswith(b"{")
    except RecursionError:
        pass  # reading the lines reports it
    return False
