"""Row hashes and checksums, as ``docs/etl.md`` defines them: whoever computes them gets the same."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, arrow, compute, numpy

if TYPE_CHECKING:
    pass

SEPARATOR = "\x1f"
NULL = "\x1e"


def row_hashes(columns: Sequence[Array]) -> tuple[Array, str]:
    """Return the hash of each row of ``columns`` in hexadecimal, and the checksum of the table."""
    import hashlib
    from binascii import hexlify

    np = numpy()
    pa = arrow()

    sha256 = hashlib.sha256
    digests = b"".join([sha256(text).digest() for text in _canonical(columns).to_pylist()])
    size = len(digests) // 32
    offsets = np.arange(0, 64 * size + 1, 64, dtype=np.int32)
    hashes = pa.StringArray.from_buffers(size, pa.py_buffer(offsets), pa.py_buffer(hexlify(digests)))
    return hashes, _checksum(np.frombuffer(digests, dtype=">u8")[::4])


def checksum_of(hashes: Array) -> str:
    """Return the checksum of a table from the hashes of its rows."""
    np = numpy()

    digests = bytes.fromhex("".join(text[:16] for text in hashes.to_pylist()))
    return _checksum(np.frombuffer(digests, dtype=">u8"))


def _checksum(starts: Any) -> str:
    np = numpy()

    # Unsigned sums wrap around, which is the modulus.
    return f"{int(starts.astype(np.uint64).sum(dtype=np.uint64)):016x}"


def _canonical(columns: Sequence[Array]) -> Array:
    pa = arrow()
    pc = compute()

    texts = [column if pa.types.is_string(column.type) else column.cast(pa.string()) for column in columns]
    joined = pc.binary_join_element_wise(*texts, SEPARATOR, null_handling="replace", null_replacement=NULL)
    return joined.cast(pa.binary())
