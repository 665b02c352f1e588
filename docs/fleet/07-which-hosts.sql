-- Which hosts have more than one cause, and most failures?
SELECT host, count(DISTINCT cause) AS causes, sum(failures)::BIGINT AS failures, max(time)::DATE AS latest
FROM refusals GROUP BY ALL HAVING count(DISTINCT cause) > 1
ORDER BY causes DESC, failures DESC, host LIMIT 10;
