"""Puts tables into an object store, and asks ClickHouse questions of them there."""

import glob
import re
import sys
import time

import boto3
from chdb.session import Session

port, views, *questions = sys.argv[1:]
store = f"http://127.0.0.1:{port}"
client = boto3.client(
    "s3",
    endpoint_url=store,
    aws_access_key_id="key",
    aws_secret_access_key="secret",
    region_name="us-east-1",
)
client.create_bucket(Bucket="fleet")
for table in glob.glob("fleet/date=*/*.parquet"):
    client.upload_file(table, "fleet", table.removeprefix("fleet/"))


def statements(path):
    text = open(path).read()
    parts = re.split(r";\s*(?:\n|$)", text)
    return [part for part in parts if re.sub("--.*", "", part).strip()]


session = Session()
local = "file('fleet/date=*/*.parquet', 'Parquet')"
there = f"s3('{store}/fleet/date=*/*.parquet', 'key', 'secret', 'Parquet')"
for view in statements(views):
    session.query(view.replace(local, there))
for question in questions:
    begun = time.monotonic()
    (query,) = statements(question)
    answer = str(session.query(query, "CSVWithNames")).replace('"', "")
    name = question.rsplit("/", 1)[-1].removesuffix(".sql")
    print(f"## {name} {time.monotonic() - begun:.3f}\n{answer}", end="")
