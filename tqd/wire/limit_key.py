"""The limit key at the end of an envelope: where a script of Redis finds it without reading the rest.

The ninth field of an envelope is bytes: the key in UTF-8, and how long that is, as 2 bytes, the larger
first. So the last bytes of a task tell where its key begins, whatever is in the task. The part of the scripts
`limit_key.lua` reads the same.
"""

from __future__ import annotations

from tqd.errors import Malformed
from tqd.task.limit_key import is_key

_SIZE_BYTES = 2


def encode_limit_key(key: str) -> bytes:
    """Return the field of a key; UnicodeEncodeError when it is no text that travels."""
    raw = key.encode()
    return raw + len(raw).to_bytes(_SIZE_BYTES, "big")


def decode_limit_key(value: object) -> str:
    """Return the key in a field; raises Malformed for what is none."""
    if type(value) is not bytes or len(value) <= _SIZE_BYTES:
        raise Malformed("envelope: the limit key is none, or empty")
    raw, size = value[:-_SIZE_BYTES], int.from_bytes(value[-_SIZE_BYTES:], "big")
    try:
        key = raw.decode()
    except UnicodeDecodeError:
        raise Malformed("envelope: the limit key is no text") from None
    if size != len(raw) or not is_key(key):
        raise Malformed("envelope: the limit key is not as long as it says, or too long")
    return key
