"""Telephone numbers, to E.164: international as they stand, national by the country of the row."""

from typing import TYPE_CHECKING, Any

from shared.etl.arrow import Array, arrow, compute, numpy
from shared.etl.kinds.faults import FORMAT, Cleaned, mask, matches
from shared.etl.rules import Rules

if TYPE_CHECKING:
    pass


def clean_phones(values: Array, countries: Array, rules: Rules) -> Cleaned:
    """Clean numbers, each beside the clean country of its row; null is no country."""
    np = numpy()
    pa = arrow()
    pc = compute()

    phone = rules.phone
    plus = mask(pc.starts_with(values, "+"))
    international = plus | mask(pc.starts_with(values, "00"))
    with_zero = pc.replace_substring(values, phone.trunk_zero, "", max_replacements=1)
    values = pc.replace_substring_regex(pc.if_else(pa.array(international), with_zero, values), phone.separators, "")
    bad = ~matches(values, phone.digits)
    # A separator may have stood before what now looks international.
    bad |= ~international & mask(pc.starts_with(values, "+"))
    abroad = pc.utf8_slice_codeunits(values, 2)
    abroad = pc.if_else(pa.array(plus), pc.utf8_slice_codeunits(values, 1), abroad)

    home, unknown = _national(values, countries, rules)
    bad |= ~international & unknown
    number = pc.if_else(pa.array(international), abroad, home)
    bad |= ~matches(number, phone.e164)
    return Cleaned(pc.binary_join_element_wise("+", number, ""), np.where(bad, FORMAT, 0).astype(np.int8))


def _national(values: Array, countries: Array, rules: Rules) -> tuple[Array, Any]:
    """Return the numbers with the country's code for its trunk prefix, and where the country is not known."""
    pa = arrow()
    pc = compute()

    codes = list(rules.regions)
    region = pc.index_in(pc.fill_null(countries, rules.phone.default_region), value_set=pa.array(codes, pa.string()))
    unknown = mask(region.is_null())
    calling = pc.fill_null(pa.array([rules.regions[code].calling for code in codes]).take(region), "")
    trunk = pc.fill_null(pa.array([rules.regions[code].trunk for code in codes]).take(region), "")
    rest = values
    for prefix in {value.trunk for value in rules.regions.values()} - {""}:
        here = pc.and_(pc.equal(trunk, prefix), pc.starts_with(values, prefix))
        rest = pc.if_else(here, pc.utf8_slice_codeunits(values, len(prefix)), rest)
    return pc.binary_join_element_wise(calling, rest, ""), unknown
