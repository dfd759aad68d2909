/**
 * Groups and members of the dependency index in typed arrays: no object and no string per entry.
 *
 *   buckets ──▶ group ──next in bucket──▶ group …        group: one value tuple of one signature (64 bits of its hash)
 *                │ first member
 *                ▼
 *              member ⇄ member ⇄ member                   member: one entry (block) under one tuple
 *                │ next of the same entry
 *   heads ─────▶ first member of the entry                (entry-heads.ts)
 *
 * A tuple is recognised by 64 bits of hash and its signature; two tuples that collide in all of them share a group, which costs a needless invalidation
 * and nothing else. Memory: 28 bytes a group, 20 a member, 4 to 8 a bucket, 5 to 11 an entry. Single writer, no shared memory.
 */
import { EntryHeads } from './entry-heads.ts';

/** No group, no member. Number 0 of both pools is never handed out. */
export const NONE = 0;

const G = { hash: 0, check: 1, signature: 2, inBucket: 3, first: 4, next: 5, previous: 6 } as const;
const GROUP_WORDS = 7;
/** Signature of a group that is none at the moment. */
const FREE = -1;
const M = { block: 0, group: 1, next: 2, previous: 3, ofEntry: 4 } as const;
const MEMBER_WORDS = 5;

/** What a group, a member and an entry cost, with what tables have free. */
const COST = { group: 4 * GROUP_WORDS + 8, member: 4 * MEMBER_WORDS, entry: 8 } as const;

/** Larger by half. The memory of before is given back at once, not when it is collected: there are tens of megabytes of it. */
function grown(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  return new Int32Array(words.buffer.transfer(4 * Math.ceil(1.5 * words.length)));
}

export class DependencyPool {
  #groups = new Int32Array(64 * GROUP_WORDS);
  #members = new Int32Array(64 * MEMBER_WORDS);
  #buckets = new Int32Array(64);
  #groupsUsed = 0;
  #groupTop = 1;
  #groupFree = NONE;
  #memberTop = 1;
  #memberFree = NONE;
  #membersUsed = 0;
  readonly #heads = new EntryHeads((member) => this.#members[member * MEMBER_WORDS]!);
  /** First group of each signature: walked when a row does not tell the signature's columns. */
  readonly #firstOfSignature: number[] = [NONE];

  get groups(): number {
    return this.#groupsUsed;
  }

  get members(): number {
    return this.#membersUsed;
  }

  /** Of the arrays, with what is free in them. */
  get bytes(): number {
    return this.#groups.byteLength + this.#members.byteLength + this.#buckets.byteLength + this.#heads.bytes;
  }

  /** Of what is in use. */
  get cost(): number {
    return COST.group * this.#groupsUsed + COST.member * this.#membersUsed + COST.entry * this.#heads.size;
  }

  get entries(): number {
    return this.#heads.size;
  }

  has(block: number): boolean {
    return this.#heads.find(block) !== NONE;
  }

  find(signature: number, hash: number, check: number): number {
    const groups = this.#groups;
    let group = this.#buckets[hash & (this.#buckets.length - 1)]!;
    while (group !== NONE) {
      const at = group * GROUP_WORDS;
      if (groups[at]! === hash && groups[at + G.check]! === check && groups[at + G.signature]! === signature)
        return group;
      group = groups[at + G.inBucket]!;
    }
    return NONE;
  }

  /** Finds or makes the group. */
  obtain(signature: number, hash: number, check: number): number {
    const found = this.find(signature, hash, check);
    return found === NONE ? this.#addGroup(signature, hash, check) : found;
  }

  /** Puts the entry of this block into a group. */
  join(block: number, group: number): void {
    const member = this.#takeMember();
    const members = this.#members;
    const at = member * MEMBER_WORDS;
    const first = this.#groups[group * GROUP_WORDS + G.first]!;
    members[at + M.block] = block;
    members[at + M.group] = group;
    members[at + M.next] = first;
    members[at + M.previous] = NONE;
    if (first !== NONE) members[first * MEMBER_WORDS + M.previous] = member;
    this.#groups[group * GROUP_WORDS + G.first] = member;
    const head = this.#heads.find(block);
    // Behind the head, which stays the head.
    members[at + M.ofEntry] = head === NONE ? NONE : members[head * MEMBER_WORDS + M.ofEntry]!;
    if (head === NONE) this.#heads.add(member);
    else members[head * MEMBER_WORDS + M.ofEntry] = member;
  }

  /** Takes the entry out of all its groups; `left` is called once for each, with the group if it is no more, else NONE. */
  drop(block: number, left: (signature: number, emptied: number) => void): void {
    let member = this.#heads.find(block);
    if (member !== NONE) this.#heads.remove(block);
    while (member !== NONE) {
      const next = this.#members[member * MEMBER_WORDS + M.ofEntry]!;
      const group = this.#members[member * MEMBER_WORDS + M.group]!;
      const signature = this.#unlinkMember(member);
      left(signature, this.#groups[group * GROUP_WORDS + G.signature]! === FREE ? group : NONE);
      member = next;
    }
  }

  /** Adds the blocks of a group to `into`, as long as that holds fewer than `max`; whether these were all. */
  collect(group: number, into: Set<number>, max: number): boolean {
    const members = this.#members;
    let member = group === NONE ? NONE : this.#groups[group * GROUP_WORDS + G.first]!;
    while (member !== NONE && into.size < max) {
      into.add(members[member * MEMBER_WORDS]!);
      member = members[member * MEMBER_WORDS + M.next]!;
    }
    return member === NONE;
  }

  /** Groups of a signature: a walk over all of them. */
  groupsOf(signature: number): number {
    let count = 0;
    let group = this.#firstOfSignature[signature] ?? NONE;
    for (; group !== NONE; count++) group = this.#groups[group * GROUP_WORDS + G.next]!;
    return count;
  }

  /** Adds the blocks of all groups of a signature, in the same way. */
  collectSignature(signature: number, into: Set<number>, max: number): boolean {
    let group = this.#firstOfSignature[signature] ?? NONE;
    while (group !== NONE && this.collect(group, into, max)) group = this.#groups[group * GROUP_WORDS + G.next]!;
    return group === NONE;
  }

  #addGroup(signature: number, hash: number, check: number): number {
    if (this.#groupsUsed >= this.#buckets.length) this.#rehash();
    const group = this.#takeGroup();
    const groups = this.#groups;
    const at = group * GROUP_WORDS;
    const bucket = hash & (this.#buckets.length - 1);
    groups[at + G.hash] = hash;
    groups[at + G.check] = check;
    groups[at + G.signature] = signature;
    groups[at + G.inBucket] = this.#buckets[bucket]!;
    groups[at + G.first] = NONE;
    groups[at + G.previous] = NONE;
    groups[at + G.next] = NONE;
    this.#buckets[bucket] = group;
    this.#linkSignature(signature, group);
    return group;
  }

  #linkSignature(signature: number, group: number): void {
    const first = this.#firstOfSignature[signature] ?? NONE;
    this.#groups[group * GROUP_WORDS + G.next] = first;
    if (first !== NONE) this.#groups[first * GROUP_WORDS + G.previous] = group;
    this.#firstOfSignature[signature] = group;
  }

  #unlinkMember(member: number): number {
    const members = this.#members;
    const at = member * MEMBER_WORDS;
    const group = members[at + M.group]!;
    const next = members[at + M.next]!;
    const previous = members[at + M.previous]!;
    if (previous === NONE) this.#groups[group * GROUP_WORDS + G.first] = next;
    else members[previous * MEMBER_WORDS + M.next] = next;
    if (next !== NONE) members[next * MEMBER_WORDS + M.previous] = previous;
    const signature = this.#groups[group * GROUP_WORDS + G.signature]!;
    if (this.#groups[group * GROUP_WORDS + G.first]! === NONE) this.#dropGroup(group);
    members[at + M.block] = -1;
    members[at + M.next] = this.#memberFree;
    this.#memberFree = member;
    this.#membersUsed--;
    return signature;
  }

  #dropGroup(group: number): void {
    const groups = this.#groups;
    const at = group * GROUP_WORDS;
    const bucket = groups[at + G.hash]! & (this.#buckets.length - 1);
    let other = this.#buckets[bucket]!;
    if (other === group) this.#buckets[bucket] = groups[at + G.inBucket]!;
    else {
      while (groups[other * GROUP_WORDS + G.inBucket]! !== group) other = groups[other * GROUP_WORDS + G.inBucket]!;
      groups[other * GROUP_WORDS + G.inBucket] = groups[at + G.inBucket]!;
    }
    this.#unlinkSignature(groups[at + G.signature]!, at);
    groups[at + G.signature] = FREE;
    groups[at + G.next] = this.#groupFree;
    this.#groupFree = group;
    this.#groupsUsed--;
  }

  #unlinkSignature(signature: number, at: number): void {
    const next = this.#groups[at + G.next]!;
    const previous = this.#groups[at + G.previous]!;
    if (previous === NONE) this.#firstOfSignature[signature] = next;
    else this.#groups[previous * GROUP_WORDS + G.next] = next;
    if (next !== NONE) this.#groups[next * GROUP_WORDS + G.previous] = previous;
  }

  #takeGroup(): number {
    this.#groupsUsed++;
    const free = this.#groupFree;
    if (free !== NONE) {
      this.#groupFree = this.#groups[free * GROUP_WORDS + G.next]!;
      return free;
    }
    if ((this.#groupTop + 1) * GROUP_WORDS > this.#groups.length) this.#groups = grown(this.#groups);
    return this.#groupTop++;
  }

  #takeMember(): number {
    this.#membersUsed++;
    const free = this.#memberFree;
    if (free !== NONE) {
      this.#memberFree = this.#members[free * MEMBER_WORDS + M.next]!;
      return free;
    }
    if ((this.#memberTop + 1) * MEMBER_WORDS > this.#members.length) this.#members = grown(this.#members);
    return this.#memberTop++;
  }

  #rehash(): void {
    const buckets = new Int32Array(this.#buckets.length * 2);
    const groups = this.#groups;
    for (let group = 1; group < this.#groupTop; group++) {
      const at = group * GROUP_WORDS;
      if (groups[at + G.signature]! === FREE) continue;
      const bucket = groups[at + G.hash]! & (buckets.length - 1);
      groups[at + G.inBucket] = buckets[bucket]!;
      buckets[bucket] = group;
    }
    this.#buckets = buckets;
  }

  /**
   * Walks everything and compares the lists with each other and with the counts.
   * @throws Error naming the first broken invariant.
   */
  check(): void {
    let groupsSeen = 0;
    let inGroups = 0;
    for (let bucket = 0; bucket < this.#buckets.length; bucket++) {
      for (let g = this.#buckets[bucket]!; g !== NONE; g = this.#groups[g * GROUP_WORDS + G.inBucket]!) {
        groupsSeen++;
        const hash = this.#groups[g * GROUP_WORDS]!;
        if ((hash & (this.#buckets.length - 1)) !== bucket) throw new Error(`group ${g}: wrong bucket`);
        const counted = this.#checkGroup(g);
        if (counted === 0) throw new Error(`group ${g}: empty`);
        inGroups += counted;
      }
    }
    if (groupsSeen !== this.#groupsUsed) throw new Error(`groups: ${groupsSeen} reachable, ${this.#groupsUsed} used`);
    if (inGroups !== this.#membersUsed || this.#checkEntries() !== inGroups) throw new Error('members: lists disagree');
  }

  #checkGroup(group: number): number {
    let counted = 0;
    let previous = NONE;
    let member = this.#groups[group * GROUP_WORDS + G.first]!;
    for (; member !== NONE; counted++) {
      const at = member * MEMBER_WORDS;
      if (this.#members[at + M.group]! !== group) throw new Error(`member ${member}: group`);
      if (this.#members[at + M.previous]! !== previous) throw new Error(`member ${member}: back link`);
      previous = member;
      member = this.#members[at + M.next]!;
    }
    return counted;
  }

  /** Members on the lists of all entries. */
  #checkEntries(): number {
    let counted = 0;
    let entries = 0;
    this.#heads.forEach((head) => {
      entries++;
      const block = this.#members[head * MEMBER_WORDS]!;
      if (this.#heads.find(block) !== head) throw new Error(`block ${block}: not found`);
      for (let member = head; member !== NONE; member = this.#members[member * MEMBER_WORDS + M.ofEntry]!) {
        if (this.#members[member * MEMBER_WORDS]! !== block) throw new Error(`member ${member}: block`);
        counted++;
      }
    });
    if (entries !== this.#heads.size) throw new Error(`entries: ${entries} found, ${this.#heads.size} counted`);
    return counted;
  }
}
