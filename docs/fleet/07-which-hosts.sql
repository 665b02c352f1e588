-- Which hosts have more than one cause, and most failures?
SELECT host, count(DISTINCT cause) AS causes, sum(failures) AS total, max(day) AS latest
FROM refusals GROUP BY host HAVING count(DISTINCT cause) > 1
ORDER BY causes DESC, total DESC, host LIMIT 10;
