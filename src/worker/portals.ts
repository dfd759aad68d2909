/** Portals of a session by name. The unnamed one, which nearly all are, is a field: a Map that is filled and emptied for each statement shows. */
import type { Work } from './owed.ts';
import type { Statement } from './statement.ts';

/** What a portal runs. */
export interface Portal {
  readonly statement: Statement | null;
  readonly work: Work;
}

export class Portals {
  private unnamed: Portal | undefined;
  private readonly named = new Map<string, Portal>();

  get(name: string): Portal | undefined {
    return name === '' ? this.unnamed : this.named.get(name);
  }

  set(name: string, portal: Portal): void {
    if (name === '') this.unnamed = portal;
    else this.named.set(name, portal);
  }

  delete(name: string): void {
    if (name === '') this.unnamed = undefined;
    else this.named.delete(name);
  }

  clear(): void {
    this.unnamed = undefined;
    if (this.named.size > 0) this.named.clear();
  }
}
