"""Names that break what is not careful: every one is allowed in every cloud."""

HOSTILE_KEYS = {
    "spaces and signs": "a/notes + 100%.txt",
    "escaped already": "a/Größe=1 of 2/ergebnis%20final+1.json",
    "two slashes": "a//double",
    "question": "a/question?x=1&versionId=2#y",
    "line feed": "a/line\nfeed",
    "tabulator": "a/tab\tkey",
    "markup": "a/<Key>&amp;\"'</Key>",
    "space at the end": "a/trailing ",
    "slash at the beginning": "/a/b",
    "two dots": "a/../b",
    "one dot": "a/./b",
    "1,024 bytes": "a/" + "ü" * 511,
    "outside the plane": "a/\U0001f9ea.bin",
}
CONTROL_KEYS = {
    "carriage return": "a/carriage\rreturn",
    "bell": "a/bell\x07key",
    "next line": "a/next\x85line",
}
"""XML cannot carry these, or its readers change them."""
