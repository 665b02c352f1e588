"""Asks Spark questions of tables, or reads recordings by forktrace's loader."""

import re
import sys
import time

from pyspark.sql import SparkSession

cluster, *files = sys.argv[1:]
builder = SparkSession.builder.master(cluster)
for setting, value in {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
}.items():
    builder = builder.config(setting, value)
spark = builder.getOrCreate()


def statements(path):
    text = open(path).read()
    parts = re.split(r";\s*(?:\n|$)", text)
    return [part for part in parts if re.sub("--.*", "", part).strip()]


if files[0].endswith(".sql"):
    views, *questions = files
    for view in statements(views):
        spark.sql(view)
    for question in questions:
        begun = time.monotonic()
        (query,) = statements(question)
        frame = spark.sql(query)
        lines = [",".join(frame.columns)]
        lines += [",".join(map(str, row)) for row in frame.collect()]
        name = question.rsplit("/", 1)[-1].removesuffix(".sql")
        print(f"## {name} {time.monotonic() - begun:.3f}")
        print("\n".join(lines))
else:
    from forktrace_spark import failures

    refused = failures(spark, *files)
    numbers = ["sum(times)", "count(`limit`)", "max(`limit`.value)"]
    print(*refused.selectExpr(*numbers).first())
