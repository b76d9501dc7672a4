"""Makes the Parquet files that parquet.test.ts reads, with pyarrow, and says in JSON what is in them.

    pip install pyarrow==26.0.1 pandas==3.1.1 && python make_parquet.py
"""

import datetime
import decimal
import json
import pathlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path(__file__).parent / "parquet"
folder.mkdir(exist_ok=True)
utc = datetime.timezone.utc
count = 12


def column(kind, values):
    """Every fifth value is null."""
    return pa.array([None if i % 5 == 4 else values(i) for i in range(count)], type=kind)


step = pa.struct([("tool", pa.string()), ("output", pa.struct([("value", pa.float64()), ("unit", pa.string())]))])
table = pa.table(
    {
        "id": pa.array(range(count), type=pa.int64()),
        "question": column(pa.string(), lambda i: ["", "Zürich? 東京", 'say "hi",\nthen go', "plain"][i % 4]),
        "kind": column(pa.string(), lambda i: ["easy", "hard"][i % 2]).dictionary_encode(),
        "large": column(pa.int64(), lambda i: 2**53 - 3 + i),
        "unsigned": column(pa.uint64(), lambda i: 2**64 - 1 - i),
        "small": column(pa.int8(), lambda i: i - 6),
        "flag": column(pa.bool_(), lambda i: i % 3 == 0),
        "score": column(pa.float64(), lambda i: i / 8),
        "half": column(pa.float32(), lambda i: i / 4),
        "price": column(pa.decimal128(12, 2), lambda i: decimal.Decimal(i * 125) / 100),
        "day": column(pa.date32(), lambda i: datetime.date(1969, 12, 30) + datetime.timedelta(days=i)),
        "millis": column(pa.timestamp("ms", tz="UTC"), lambda i: datetime.datetime(2024, 2, 29, 23, 59, i, tzinfo=utc)),
        "micros": column(pa.timestamp("us"), lambda i: datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999 - i)),
        "nanos": column(pa.timestamp("ns"), lambda i: 1_700_000_000_123_456_700 + i),
        "bytes": column(pa.binary(), lambda i: bytes([0, 255, i])),
        "answers": column(pa.list_(pa.string()), lambda i: [["a", None], [], ["b"]][i % 3]),
        "matrix": column(pa.list_(pa.list_(pa.int32())), lambda i: [[[1, 2], None], [[]], []][i % 3]),
        "steps": column(
            pa.list_(step),
            lambda i: [{"tool": "calc", "output": {"value": i / 2, "unit": None}}, {"tool": None, "output": None}][: i % 3],
        ),
        "scores": column(pa.map_(pa.string(), pa.int64()), lambda i: [("f1", i), ("em", None)][: i % 3]),
    }
)


def iso(time, decimals):
    return time.strftime("%Y-%m-%dT%H:%M:%S") + decimals + "Z"


def to_json(name, value):
    """Writes a value as readTasks is meant to: a second implementation, in another language."""
    if value is None:
        return None
    if isinstance(value, list):
        if name == "scores":
            return dict(value)
        return [to_json("", item) for item in value]
    if isinstance(value, dict):
        return {key: to_json("", item) for key, item in value.items()}
    if isinstance(value, bytes):
        import base64

        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if name == "nanos":
        return iso(value, "." + str(value.value % 10**9).zfill(9))
    if name == "micros":
        return iso(value, f".{value.microsecond:06d}")
    if isinstance(value, datetime.datetime):
        return iso(value, "")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53 - 1:
        return str(value)
    return value


rows = [{name: to_json(name, value) for name, value in row.items()} for row in table.to_pylist()]
(folder / "expected.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")

plain = {"compression": "none", "row_group_size": 5}
variants = {
    "none": plain,
    "snappy": {**plain, "compression": "snappy"},
    "gzip": {**plain, "compression": "gzip"},
    "zstd": {**plain, "compression": "zstd"},
    "brotli": {**plain, "compression": "brotli"},
    "lz4": {**plain, "compression": "lz4"},
    "pages-v2": {**plain, "compression": "zstd", "data_page_version": "2.0"},
    "no-dictionary": {**plain, "compression": "snappy", "use_dictionary": False},
    "delta": {
        **plain,
        "compression": "snappy",
        "use_dictionary": False,
        "column_encoding": {"question": "DELTA_LENGTH_BYTE_ARRAY", "id": "DELTA_BINARY_PACKED"},
    },
    "int96": {**plain, "compression": "snappy", "use_deprecated_int96_timestamps": True},
    "small-pages": {"compression": "snappy", "data_page_size": 1, "write_batch_size": 2},
}
for name, options in variants.items():
    pq.write_table(table, folder / f"{name}.parquet", **options)

# What pandas makes of questions and answers, as a data set's authors would write them.
frame = pd.DataFrame({"question": ["1 + 1?", "2 + 2?"], "answer": [2, 4], "note": ["first", None]})
frame.to_parquet(folder / "pandas.parquet")
pq.write_table(pa.table({"score": [0.5, float("nan")]}), folder / "nan.parquet")

# A few rows in the layout of Calc-X, which examples/calc-agent reads.
calcx = {
    "id": ["ape210k__1", "gsm8k__2", "aqua_rat__3"],
    "question": ["6.6 minus x (3/2) times equals 5.6.", "How many are 1000 and 250?", "Which is 4? (A) 2 + 2 (B) 2 + 3"],
    "chain": ["<result>2/3 = around 0.666667</result>"] * 3,
    "result": ["2/3", "1_250", "A"],
    "source": ["calc"] * 3,
}
pq.write_table(pa.table(calcx), folder / "calcx.parquet")
