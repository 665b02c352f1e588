-- What came on many hosts in the same minute?
SELECT date_trunc('minute', time) AS minute, cause, count(DISTINCT host) AS hosts, sum(failures)::BIGINT AS failures
FROM refusals GROUP BY ALL HAVING count(DISTINCT host) > 1
ORDER BY hosts DESC, minute LIMIT 10;
