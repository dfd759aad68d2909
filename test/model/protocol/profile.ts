/** What kinds of sequences a lane runs, as shares of 1. */
export interface Profile {
  /** Share of steps that change settings, deallocate, or discard. */
  readonly settings: number;
  /** Share of statements that write. */
  readonly writes: number;
  /** Share of steps that are odd: errors, single messages, COPY, cursors, function calls. */
  readonly odd: number;
  /** Share of statements that are no reads of tables. */
  readonly plain: number;
  /** Share of steps that are a whole transaction. */
  readonly transactions: number;
  /** Share of sequences that are answered before the next one is sent. */
  readonly single: number;
  /** Share of sequences with which somebody begins to alter tables, and of steps that do. */
  readonly migrations?: number;
}

/** What caches are for. */
export const reading: Profile = { settings: 0, writes: 0.002, odd: 0.003, plain: 0, transactions: 0.001, single: 0.8 };
/** What applications do. */
export const tame: Profile = { settings: 0.002, writes: 0.06, odd: 0.1, plain: 0.15, transactions: 0.03, single: 0.4 };
/** What nobody does. */
export const wild: Profile = { settings: 0.06, writes: 0.2, odd: 0.5, plain: 0.2, transactions: 0.05, single: 0.4 };
/** What units of work do: reads in blocks, some of which fail. */
export const blocks: Profile = { settings: 0, writes: 0.003, odd: 0.03, plain: 0, transactions: 0.35, single: 0.8 };
/** What a deployment does to sessions that live on. */
export const migrating: Profile = {
  ...{ settings: 0, writes: 0.002, odd: 0.01, plain: 0, transactions: 0.05, single: 0.8 },
  migrations: 0.001,
};
