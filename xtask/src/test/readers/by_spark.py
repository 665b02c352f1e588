"""Asks Spark questions of tables, or reads recordings by forktrace's loader."""

import json
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


if files:
    from forktrace_spark import failures, refusals

    refused = failures(spark, *files)
    numbers = ["sum(times)", "count(`limit`)", "max(`limit`.value)"]
    answer = refused.selectExpr(*numbers).first()
    counted = refusals(spark, *files).selectExpr("sum(failures)").first()
    assert counted[0] == answer[0], counted
    print(*answer)
else:
    asked = json.load(sys.stdin)
    for view in asked["views"]:
        spark.sql(view)
    for name, query in asked["questions"]:
        begun = time.monotonic()
        frame = spark.sql(query.strip().removesuffix(";"))
        lines = [",".join(frame.columns)]
        lines += [",".join(map(str, row)) for row in frame.collect()]
        print(f"## {name} {time.monotonic() - begun:.3f}")
        print("\n".join(lines))
