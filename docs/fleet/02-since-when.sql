-- Since when, and is it spreading? Hosts by day, for each cause.
SELECT cause, date_trunc('day', time)::DATE AS day, count(DISTINCT host) AS hosts, sum(failures)::BIGINT AS failures
FROM refusals GROUP BY ALL ORDER BY cause, day;
