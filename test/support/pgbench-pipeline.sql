\set aid random(1, :keys)
\set bid random(1, :keys)
\startpipeline
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :bid;
SELECT count(*) FROM pgbench_accounts WHERE aid <= 10;
\endpipeline
