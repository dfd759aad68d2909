/** 64 bits of hash over a tuple of texts, as two 32-bit halves made by different multipliers, without allocation. */

/** Finalizer of MurmurHash3: every input bit reaches every output bit. */
export function mix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** Holds the running halves; `begin`, then `add` for each value, then read `hash` and `check`. */
export class TupleHash {
  #a = 0;
  #b = 0;

  begin(signature: number): void {
    this.#a = mix(signature ^ 0x2545f491);
    this.#b = mix(signature ^ 0x6c8e9cf5);
  }

  /** The length goes in as well, so that ('ab','c') and ('a','bc') differ; no text has the length that stands for NULL. */
  add(value: string | null): void {
    if (value === null) {
      this.#a = Math.imul(this.#a ^ -1, 0x01000193);
      this.#b = Math.imul(this.#b ^ -1, 0x5bd1e995);
      return;
    }
    let a = Math.imul(this.#a ^ value.length, 0x01000193);
    let b = Math.imul(this.#b ^ value.length, 0x5bd1e995);
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b ^ code, 0x5bd1e995);
      b ^= b >>> 15;
    }
    this.#a = a;
    this.#b = b;
  }

  get hash(): number {
    return mix(this.#a);
  }

  get check(): number {
    return mix(this.#b ^ 0x27d4eb2f);
  }
}
