"""Puts tables into an object store, and asks ClickHouse questions of them there."""

import glob
import json
import sys
import time

import boto3
from chdb.session import Session

(port,) = sys.argv[1:]
asked = json.load(sys.stdin)
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


session = Session()
local = "file('fleet/date=*/*.parquet', 'Parquet')"
there = f"s3('{store}/fleet/date=*/*.parquet', 'key', 'secret', 'Parquet')"
for view in asked["views"]:
    session.query(view.replace(local, there))
for name, query in asked["questions"]:
    begun = time.monotonic()
    answer = str(session.query(query, "CSVWithNames")).replace('"', "")
    print(f"## {name} {time.monotonic() - begun:.3f}\n{answer}", end="")
