/** Condition on `pg_class c`: the table has an identity that the origin accepts for UPDATE and DELETE of a published table. Deferrable keys do not count
 * (RelationGetIndexList). */
export const identitySql = `(c.relreplident = 'f' OR EXISTS (SELECT FROM pg_catalog.pg_index i
  WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END))`;
