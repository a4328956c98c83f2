"""The functions a query may call, by Spark's names: pure, of one row or one group, and bounded.

Not here: what runs code, leaves the warehouse, reads files or secrets, tells who or where it runs, raises errors on
purpose, or parses XML and foreign binary formats.
"""

from shared.sql_guard.reasons import refusal

AGGREGATES = frozenset(
    """
    any any_value approx_count_distinct approx_percentile approx_top_k array_agg avg bit_and bit_or bit_xor
    bitmap_and_agg bitmap_construct_agg bitmap_or_agg bool_and bool_or collect_list collect_set corr count
    count_if covar_pop covar_samp every first first_value grouping grouping_id histogram_numeric
    hll_sketch_agg hll_union_agg kurtosis last last_value listagg max max_by mean median min min_by mode percentile
    percentile_approx percentile_cont percentile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2
    regr_slope regr_sxx regr_sxy regr_syy skewness some std stddev stddev_pop stddev_samp string_agg sum
    theta_intersection_agg theta_sketch_agg theta_union_agg try_avg try_sum var_pop var_samp variance
    """.split()
)
# Aggregates whose value grows with the number of rows.
COLLECTORS = frozenset("array_agg collect_list collect_set listagg string_agg".split())

WINDOW_ONLY = frozenset("cume_dist dense_rank lag lead ntile nth_value percent_rank rank row_number".split())

# One row in, several out.
GENERATORS = frozenset("explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple".split())
# Different from row to row even where no column goes in.
VARYING = (
    AGGREGATES
    | WINDOW_ONLY
    | GENERATORS
    | frozenset("rand randn random randstr uniform uuid monotonically_increasing_id shuffle".split())
)
# What may stand in FROM.
TABLE_FUNCTIONS = GENERATORS | {"range"}

_STRINGS = """
    ascii base64 bit_length btrim char char_length character_length charindex chr coalesce collate collation concat
    concat_ws contains conv decode elt encode endswith find_in_set format_number format_string hex initcap instr
    is_valid_utf8 jaro_winkler_similarity lcase left len length levenshtein like ilike rlike regexp locate lower
    lpad ltrim luhn_check make_valid_utf8 mask md5 octet_length overlay parse_url try_parse_url position printf quote
    regexp_count regexp_extract regexp_extract_all regexp_instr regexp_like regexp_replace regexp_substr repeat replace
    reverse right rpad rtrim sentences sha sha1 sha2 soundex space split split_part startswith str_to_map substr
    substring substring_index to_binary to_char to_number to_varchar translate trim try_to_binary try_to_number
    try_validate_utf8 ucase unbase64 unhex upper url_decode url_encode try_url_decode validate_utf8 crc32 hash xxhash64
    from_base32 to_base32
"""
_NUMBERS = """
    abs acos acosh asin asinh atan atan2 atanh bin bit_count bit_get getbit bround cbrt ceil ceiling cos cosh cot csc
    degrees div e exp expm1 factorial floor greatest hypot isnan least ln log log10 log1p log2 mod nanvl negative
    nullifzero pi pmod positive pow power radians rand randn random randstr rint round sec shiftleft shiftright
    shiftrightunsigned sign signum sin sinh sqrt tan tanh try_add try_divide try_mod try_multiply try_subtract uniform
    width_bucket zeroifnull uuid
"""
_DATES = """
    add_months convert_timezone curdate current_date current_time current_timestamp current_timezone date date_add
    date_diff date_format date_from_unix_date date_part date_sub date_trunc dateadd datediff datepart day dayname
    dayofmonth dayofweek dayofyear extract from_unixtime from_utc_timestamp getdate hour last_day localtime
    localtimestamp make_date make_dt_interval make_interval make_time make_timestamp make_timestamp_ltz
    make_timestamp_ntz make_ym_interval minute month monthname months_between next_day now quarter second time
    time_diff time_trunc timediff timestamp timestamp_micros timestamp_millis timestamp_seconds timestampadd
    timestampdiff to_date to_time to_timestamp to_timestamp_ltz to_timestamp_ntz to_unix_timestamp to_utc_timestamp
    trunc try_make_interval try_make_timestamp try_make_timestamp_ltz try_make_timestamp_ntz try_to_date try_to_time
    try_to_timestamp unix_date unix_micros unix_millis unix_seconds unix_timestamp weekday weekofyear window
    window_time year
"""
_COLLECTIONS = """
    aggregate array array_append array_compact array_contains array_distinct array_except array_insert array_intersect
    array_join array_max array_min array_position array_prepend array_remove array_repeat array_size array_sort
    array_union arrays_overlap arrays_zip cardinality element_at exists filter flatten forall get map map_concat
    map_contains_key map_entries map_filter map_from_arrays map_from_entries map_keys map_values map_zip_with
    named_struct reduce sequence shuffle size slice sort_array struct transform transform_keys transform_values
    try_element_at zip_with
"""
_JSON = """
    from_csv from_json get_json_object is_valid_variant is_variant_null json_array_length json_object_keys parse_json
    schema_of_csv schema_of_json schema_of_variant schema_of_variant_agg to_csv to_json to_variant_object
    try_parse_json try_variant_get variant_get
"""
_OTHER = """
    approx_top_k_estimate bigint binary bitmap_bit_position bitmap_bucket_number bitmap_count boolean decimal double
    equal_null float hll_sketch_estimate hll_union if ifnull int isnotnull isnull monotonically_increasing_id not nullif
    nvl nvl2 smallint string theta_difference theta_intersection theta_sketch_estimate theta_union tinyint typeof
"""
ALLOWED = (
    AGGREGATES
    | WINDOW_ONLY
    | GENERATORS
    | frozenset(word for group in (_STRINGS, _NUMBERS, _DATES, _COLLECTIONS, _JSON, _OTHER) for word in group.split())
)

# Known names that are refused, and why; a name that is in no list is `unknown_function`.
_CODE = frozenset(
    """
    reflect try_reflect java_method call_function call_udf raise_error assert_true from_xml to_xml schema_of_xml
    from_avro to_avro schema_of_avro from_protobuf to_protobuf
    """.split()
)
_REFUSED_PREFIXES = {"ai_": "network", "xpath": "code", "read_": "file", "table_changes": "time_travel"}
_NETWORK = frozenset("http_request remote_query vector_search".split())
_FILES = frozenset(
    """
    read_files list_files cloud_files cloud_files_state read_kafka read_kinesis read_pubsub read_pulsar read_statestore
    read_state_metadata event_log copy_into parquet csv json orc avro text binaryfile delta
    """.split()
)
_SECRETS = frozenset(
    """
    secret try_secret list_secrets current_user session_user user current_catalog current_database current_schema
    current_metastore current_path current_recipient current_oauth_custom_identity_claim current_version version
    is_member is_account_group_member input_file_name input_file_block_start input_file_block_length
    spark_partition_id aes_encrypt aes_decrypt try_aes_decrypt hmac getargument current_warehouse current_role
    python_worker_logs sql_keywords collations
    """.split()
)
_DYNAMIC = frozenset("identifier execute eval query".split())
_REFUSED = {
    **dict.fromkeys(_CODE, "code"),
    **dict.fromkeys(_NETWORK, "network"),
    **dict.fromkeys(_FILES, "file"),
    **dict.fromkeys(_SECRETS, "secret"),
    **dict.fromkeys(_DYNAMIC, "dynamic"),
}

# Bare words that Spark takes for a call when no column has the name, and that tell who or where the query runs.
TELLING_WORDS = frozenset(
    "user current_user session_user current_catalog current_database current_schema current_path current_role".split()
)
# A column that every table of files has, and nobody sees.
HIDDEN = "_metadata"
# Calls like these, harmless.
TIME_WORDS = frozenset(
    "current_date current_timestamp current_time localtimestamp localtime curdate current_timezone grouping__id".split()
)


def check_function(name: str) -> None:
    """Refuse a call of ``name`` (lower case) unless it is on the list."""
    if name in ALLOWED:
        return
    reason = _REFUSED.get(name)
    reason = reason or next((why for prefix, why in _REFUSED_PREFIXES.items() if name.startswith(prefix)), None)
    if reason is None:
        raise refusal("unknown_function", f"There is no function {name[:60]!r} here; use one of Spark SQL's own.")
    raise refusal(reason, f"The function {name[:60]!r} is not run.")
