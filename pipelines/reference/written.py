"""Reads text files that a person wrote."""

from pathlib import Path

from pipelines.errors import MoraineError, Terminal


def read_written(
    path: Path,
    what: str,
    fix: str = "Make it a readable UTF-8 file.",
    missing: MoraineError | None = None,
) -> str:
    """Return the text of a file; `what` says what it is: `the price file`.

    Raises:
        MoraineError: `missing`, where it is given and there is no such file.
        Terminal: it is missing, cannot be read, or is no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if missing and isinstance(error, FileNotFoundError):
            raise missing from None
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Terminal(f"{what} cannot be read: {reason}", where=str(path), fix=fix) from None
