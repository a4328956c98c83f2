"""Text: one normal form, one space, a length; and what every kind begins with."""

from typing import TYPE_CHECKING

from shared.etl.arrow import Array, arrow, compute, numpy
from shared.etl.kinds.faults import FORMAT, MISSING, TOO_LONG, Cleaned, mask, matches
from shared.etl.rules import Column, Rules

if TYPE_CHECKING:
    pass


def normalised(values: Array, rules: Rules) -> Array:
    """Return ``values`` in NFC, each run of blanks one space, trimmed.

    Nearly all text is printable ASCII with single spaces, which is found out in one pass over the bytes; only the
    rest goes through Unicode and the pattern.
    """
    np = numpy()
    pa = arrow()
    pc = compute()

    if not len(values):
        return values
    offsets = np.frombuffer(values.buffers()[1], dtype=np.int32)[values.offset : values.offset + len(values) + 1]
    data = values.buffers()[2]
    content = np.frombuffer(data, dtype=np.uint8) if data else np.empty(0, dtype=np.uint8)
    content = content[offsets[0] : offsets[-1]]
    odd = np.flatnonzero((content < 0x20) | (content > 0x7E))
    rows = np.unique(np.searchsorted(offsets - offsets[0], odd, side="right") - 1)
    doubled = np.flatnonzero(mask(pc.match_substring(values, "  ")))
    if doubled.size:
        rows = np.union1d(rows, doubled)
    if rows.size:
        few = values.take(pa.array(rows))
        few = pc.replace_substring_regex(pc.utf8_normalize(few, form="NFC"), rules.text.blank, " ")
        chosen = np.zeros(len(values), dtype=bool)
        chosen[rows] = True
        values = pc.replace_with_mask(values, pa.array(chosen), few)
    return pc.utf8_trim(values, characters=" ")


def missing(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Tell which normalised values stand for nothing."""
    np = numpy()
    pa = arrow()
    pc = compute()

    words = ["", *(rules.text.placeholders if column.placeholders else [])]
    nothing = mask(pc.is_in(pc.ascii_lower(values), value_set=pa.array(words, pa.string())))
    return Cleaned(values, np.where(nothing, MISSING, 0).astype(np.int8))


def clean_text(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean text, of which only the length is checked."""
    del rules
    return Cleaned(values, _too_long(values, column.max_length))


def clean_identifier(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean ids, which keep to a closed alphabet."""
    faults = _too_long(values, column.max_length)
    faults[(faults == 0) & ~matches(values, rules.identifier.pattern)] = FORMAT
    return Cleaned(values, faults)


def clean_email(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean e-mail addresses."""
    np = numpy()
    pc = compute()

    del column
    email = rules.email
    faults = _too_long(values, email.max_length)
    faults[(faults == 0) & ~matches(values, email.pattern)] = FORMAT
    # Only an address longer than its shortest limit can break one.
    long = np.flatnonzero((faults == 0) & (pc.utf8_length(values).to_numpy() > min(email.max_local, email.max_label)))
    for at in long:
        local, _, domain = values[int(at)].as_py().rpartition("@")
        if len(local) > email.max_local or max(map(len, domain.split("."))) > email.max_label:
            faults[at] = TOO_LONG
    return Cleaned(pc.ascii_lower(values), faults)


def clean_country(values: Array, column: Column, rules: Rules) -> Cleaned:
    """Clean countries, to ISO 3166-1 codes."""
    np = numpy()
    pa = arrow()
    pc = compute()

    del column
    codes = {code.lower(): code for code in [*rules.regions, *rules.other_countries]}
    names = {name: code for code, region in rules.regions.items() for name in region.names}
    words = names | codes
    found = pc.index_in(pc.ascii_lower(values), value_set=pa.array(list(words), pa.string()))
    clean = pa.array(list(words.values()), pa.string()).take(found)
    return Cleaned(clean, np.where(mask(found.is_valid()), 0, FORMAT).astype(np.int8))


def _too_long(values: Array, limit: int):  # noqa: ANN202 - numpy's name is not imported here
    np = numpy()
    pc = compute()

    return np.where(pc.utf8_length(values).to_numpy() > limit, TOO_LONG, 0).astype(np.int8)
