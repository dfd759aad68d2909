// C20: a store may be read only while main names its generation, whatever the store's own state word says: its thread may have died.
import { expect, it } from 'vitest';
import { createControl, openControl } from '../../src/shared/memory/control.ts';
import { Control, Store, StoreState } from '../../src/shared/memory/layout.ts';
import { AttachedCache, CacheAttachment, type RemoteService } from '../../src/worker/cache-link.ts';
import { createStore } from '../support/store.ts';

it('a store of a generation that has ended is not read', () => {
  const control = openControl(createControl());
  const { store } = createStore({ memoryBytes: 64 * 1024, control });
  store.publish(Store.STATE, StoreState.live);
  const link = {
    generation: 3,
    store: store.words.buffer,
    service: {},
    offers: { postMessage: () => undefined, on: () => undefined },
  };
  const cache = new AttachedCache(new CacheAttachment(link as never, 0, {} as RemoteService), control, 0, 0);
  const liveAt = (generation: number): boolean => {
    Atomics.store(control, Control.CURRENT_GENERATION, generation);
    return cache.isLive;
  };
  expect([liveAt(3), liveAt(0), liveAt(4), liveAt(3)]).toEqual([true, false, false, true]);
  store.publish(Store.STATE, StoreState.down);
  expect(liveAt(3)).toBe(false);
});
