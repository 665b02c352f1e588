-- Which program never recovered: refused on every day since it was refused first, up to the last day there is?
WITH days AS (
  SELECT host, coalesce(caller.exe, caller.comm) AS program, date_trunc('day', time)::DATE AS day, sum(failures) AS failures
  FROM refusals WHERE caller IS NOT NULL GROUP BY ALL
), last AS (SELECT max(day) AS day FROM days), each AS (
  SELECT host, program, min(day) AS since, max(day) AS until, count(*) AS days, sum(failures) AS failures
  FROM days GROUP BY ALL
)
SELECT program, count(*) AS hosts, min(since) AS since, sum(failures)::BIGINT AS failures
FROM each, last
WHERE each.until = last.day AND each.days = last.day - each.since + 1 AND each.days > 1
GROUP BY ALL ORDER BY hosts DESC, failures DESC LIMIT 10;
