-- Which deploy: from one day to the next, whose failures have come, or grown tenfold?
WITH days AS (
  SELECT coalesce(cgroup.unit, cgroup.container, cgroup.path) AS whose, date_trunc('day', time)::DATE AS day,
    sum(failures)::BIGINT AS failures, count(DISTINCT host) AS hosts
  FROM refusals GROUP BY ALL
), first AS (SELECT min(day) AS day FROM days)
SELECT now.day, now.whose, coalesce(before.failures, 0) AS before, now.failures, now.hosts
FROM days AS now LEFT JOIN days AS before ON before.whose = now.whose AND before.day = now.day - 1
WHERE now.day > (SELECT day FROM first) AND now.failures >= 10 * coalesce(before.failures, 0)
ORDER BY now.hosts DESC, now.day, now.whose LIMIT 20;
