-- What came on many hosts in the same minute?
SELECT minute, cause, count(DISTINCT host) AS hosts, sum(failures) AS total
FROM refusals GROUP BY minute, cause HAVING count(DISTINCT host) > 1
ORDER BY hosts DESC, minute, cause LIMIT 10;
