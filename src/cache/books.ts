/**
 * What the cache thread remembers of entries outside of the store's memory: queues of the policy, and by which changes they must leave. It counts against the
 * same bound, `cache.memory` (ADR-026): of small answers it is a third of what they cost, and an answer of a few bytes may depend on thousands of values.
 */
export class Books {
  /** Of all entries there are. */
  bytes = 0;
}
