/** The three forms of the protocol in which a statement can come, for tests that hold in each of them. Manual: Frontend/Backend Protocol. */
import pg from 'pg';
import { serialize, statement } from './raw-client.ts';

export type Form = 'simple' | 'unnamed' | 'prepared';
export const forms: readonly Form[] = ['simple', 'unnamed', 'prepared'];

/** A statement as node-postgres is told to send it; one that is prepared has a name for each text. */
export function queryAs(form: Form, text: string): pg.QueryArrayConfig & { readonly queryMode?: 'extended' } {
  const query = { text, rowMode: 'array' } as const;
  if (form === 'simple') return query;
  if (form === 'unnamed') return { ...query, queryMode: 'extended' };
  return { ...query, name: `${text.length} ${text.slice(0, 50)}` };
}

/** Rows as arrays, on a session that stays. */
export async function askAs(client: pg.Client, form: Form, text: string): Promise<unknown[][]> {
  return (await client.query(queryAs(form, text))).rows as unknown[][];
}

/** The answer of a session of its own. */
export async function askOnceAs(url: string, form: Form, text: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await askAs(client, form, text);
  } finally {
    await client.end();
  }
}

let names = 0;

/** The messages of one statement up to its ReadyForQuery; each prepared one has a name of its own. */
export function messagesAs(form: Form, text: string): Buffer {
  if (form === 'simple') return serialize.query(text);
  return Buffer.concat([statement(text, [], form === 'unnamed' ? '' : `form ${++names}`), serialize.sync()]);
}
