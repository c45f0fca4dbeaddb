"""ZIP archives, which DuckDB does not read: the one file inside is unpacked as a stream.

The name inside the archive is never used, so it can lead nowhere.
"""

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory

from pipelines.errors import Damaged, Terminal

_BEGINS = (b"PK\x03\x04", b"PK\x05\x06")
_CHUNK_BYTES = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def unzipped(path: Path, scratch: Path, where: str) -> Iterator[Path]:
    """Lend the file inside an archive, removed afterwards; a file that is no archive is lent itself.

    Raises:
        Damaged: the archive is not whole, its checksum is wrong, or it does not hold exactly one file.
        Terminal: there is no room for it.
    """
    if not _is_archive(path):
        yield path
        return
    with TemporaryDirectory(dir=scratch, prefix="unzipped-") as here:
        copy = Path(here) / "unzipped"
        _unzip(path, copy, where)
        yield copy


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in _BEGINS


def _unzip(path: Path, copy: Path, where: str) -> None:
    try:
        with (
            zipfile.ZipFile(path) as archive,
            archive.open(_only_member(archive, where)) as packed,
            copy.open("wb") as file,
        ):
            copyfileobj(packed, file, _CHUNK_BYTES)
    # An archive that wants a password is a RuntimeError.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _damaged(str(error).replace(str(path), path.name), where) from error
    except OSError as error:
        raise Terminal(
            f"an archive cannot be unpacked on this machine: {error.strerror or error}",
            where=f"{where}, unpacked into {copy.parent.parent}",
            fix="Make room there, then run again.",
        ) from error


def _only_member(archive: zipfile.ZipFile, where: str) -> zipfile.ZipInfo:
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise _damaged(f"it holds {len(members)} files and should hold one", where)
    if members[0].compress_type not in _METHODS:
        raise _damaged("it is not compressed by deflation", where)
    return members[0]


def _damaged(problem: str, where: str) -> Damaged:
    return Damaged(
        f"a ZIP archive cannot be unpacked: {problem}",
        where=where,
        fix="Copy it again or wait for the next delivery; nothing of this delivery was landed.",
    )
