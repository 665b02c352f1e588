-- Since when, and is it spreading? Hosts by day, for each cause.
SELECT cause, day, count(DISTINCT host) AS hosts, sum(failures) AS total
FROM refusals GROUP BY cause, day ORDER BY cause, day;
