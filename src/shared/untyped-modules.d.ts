/** Modules whose packages carry no types where TypeScript looks for them. */

declare module 'comlink/dist/esm/node-adapter.mjs' {
  import type { MessagePort } from 'node:worker_threads';
  import type { Endpoint } from 'comlink';
  export default function nodeEndpoint(port: MessagePort): Endpoint;
}

declare module 'threads/worker' {
  /** Runs on the spawned side: makes these functions callable from the other. */
  export function expose(functions: object): void;
}
