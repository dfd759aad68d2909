/**
 * The rules of shared/consistency.md, each with the tests that hold it and the ways to break it. `npm run rules` (run-mutants.ts) applies one way at a
 * time to a copy of the sources and runs the test named beside it, which must fail: a rule whose breaking nobody notices is not held.
 */
export interface Edit {
  /** Below src/. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Mutant {
  /** What is no longer done. */
  readonly without: string;
  readonly edits: readonly Edit[];
  /** Below test/. */
  readonly test: string;
  /** Part of the test's name; the whole file when absent. */
  readonly name?: string;
  /** Runs that may be needed until chance brings the moment; 1 when absent. */
  readonly runsMax?: number;
}

export interface Rule {
  readonly id: `C${number}`;
  readonly says: string;
  readonly mutants: readonly Mutant[];
}

const edit = (file: string, from: string, to: string): Edit => ({ file, from, to });

export const rules: readonly Rule[] = [
  {
    id: 'C1',
    says: 'A snapshot is taken at Bind: the token is read before, and a portal executed twice fills nothing.',
    mutants: [
      {
        without: 'the token of before: it is read when the answer is in',
        edits: [
          edit(
            'worker/effects.ts',
            'if (cache.outbox.add(offer))',
            'if (cache.outbox.add({ ...offer, token: cache.token() }))',
          ),
        ],
        test: 'consistency/c01-snapshot-at-bind.test.ts',
        name: 'an answer that was being computed while its row changed',
        runsMax: 3,
      },
      {
        without: 'the refusal of a second Execute',
        edits: [
          edit(
            'worker/forward.ts',
            'const { bound, executed: again } = this;',
            'const [{ bound }, again] = [this, false];',
          ),
        ],
        test: 'regress/portal-executed-long-after-its-bind.test.ts',
        name: 'fills nothing with its second, empty answer',
        runsMax: 3,
      },
    ],
  },
  {
    id: 'C2',
    says: 'The barrier after ADD TABLE tests the fill: older tokens are refused, however late they arrive.',
    mutants: [
      {
        without: 'the stamp at which a table became live',
        edits: [edit('cache/admitter.ts', "if (settleStamp < liveStamp) return 'uncacheable.publishing';", '')],
        test: 'unit/admitter.test.ts',
        name: 'only when its table was live before it was asked for',
      },
      {
        without: 'waiting for those who wrote before the ADD',
        edits: [edit('cache/barrier.ts', 'if (waiting.writers.has(holder)) return false;', '')],
        test: 'regress/table-published-while-a-writer-is-in-flight.test.ts',
        name: 'nothing of before the commit is admitted',
      },
    ],
  },
  {
    id: 'C3',
    says: 'A token counts only under the current generation, stream epoch and catalog.',
    mutants: [
      {
        without: 'the stream epoch in the token',
        edits: [edit('cache/admitter.ts', ' || token.streamEpoch !== header.streamEpoch', '')],
        test: 'unit/admitter.test.ts',
        name: 'only under the token of this generation, stream and catalog',
      },
      {
        without: 'the generation in the token',
        edits: [edit('cache/admitter.ts', 'token.generation !== generation || ', '')],
        test: 'unit/admitter.test.ts',
        name: 'only under the token of this generation, stream and catalog',
      },
    ],
  },
  {
    id: 'C4',
    says: 'The barrier runs at every start of the stream.',
    mutants: [
      {
        without: 'the barrier at the start',
        edits: [
          edit(
            'cache/publication.ts',
            'this.#announce(await this.#barrier.set([...this.#published]));',
            'this.#announce([...this.#published]);',
          ),
        ],
        test: 'system/publication.test.ts',
        name: 'sets the barrier again when a stream begins (C4)',
      },
    ],
  },
  {
    id: 'C5',
    says: 'A verdict belongs to what decides it, never to a shape alone.',
    mutants: [
      {
        without: 'search_path and role among what decides',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a piece of source
        edits: [edit('cache/analyses.ts', '${context.resolutionClass}', '')],
        test: 'consistency/c05-verdict-of-its-context.test.ts',
      },
      {
        without: 'declared parameter types among what decides',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a piece of source
        edits: [edit('cache/analyses.ts', "${statement.parameterTypes.join(',')}", '')],
        test: 'unit/analyses.test.ts',
      },
    ],
  },
  {
    id: 'C6',
    says: 'Loading the catalog is a fill of its own; any DDL empties the entries of the database.',
    mutants: [
      {
        without: 'the catalog version in the token',
        edits: [
          edit(
            'cache/admitter.ts',
            "if (token.catalogVersion !== header.catalogVersion) return 'fill.generation';",
            '',
          ),
        ],
        test: 'unit/admitter.test.ts',
        name: 'only under the token of this generation, stream and catalog',
      },
      {
        without: 'emptying the store after DDL',
        edits: [edit('cache/feed.ts', 'const entries = clear();', 'const entries = 0;')],
        test: 'system/cache-thread.test.ts',
        name: 'forgets everything when the catalog changes',
      },
    ],
  },
  {
    id: 'C7',
    says: 'A named statement keeps the resolution of its Parse.',
    mutants: [
      {
        without: 'looking at what a statement was resolved to',
        edits: [
          edit(
            'worker/settings.ts',
            'if (sameResolution(statement.resolution, context)) return true;',
            'if (statement.resolution !== null || context !== null) return true;',
          ),
        ],
        test: 'regress/prepared-statement-across-ddl.test.ts',
        name: 'reads the table that the origin reads when another appears in front of it',
      },
      {
        without: 'comparing what the origin makes of it with what the client was told',
        edits: [
          edit(
            'worker/remaking.ts',
            'if (transaction.status === TransactionStatus.failed) return true;',
            'if (transaction !== null) return true;',
          ),
        ],
        test: 'regress/rows-of-another-shape.test.ts',
        name: 'a column more',
      },
      {
        without: 'the round behind a description of the origin',
        edits: [edit('worker/told.ts', 'told.round = round;', 'told.round = 0;')],
        test: 'regress/rows-of-another-shape.test.ts',
        name: 'a statement that the origin described',
      },
      {
        without: 'looking at what a pooled connection has the statement for',
        edits: [
          edit(
            'worker/pool-names.ts',
            'if (isComparable(told) && !isAsTold(told, known.told)) return false;',
            'if (isComparable(told) && known === null) return false;',
          ),
        ],
        test: 'regress/rows-of-another-shape-pooled.test.ts',
        name: 'there by then for somebody who was told of a column more',
      },
      {
        without: 'noting what a pooled client is told here while the origin has the statement',
        edits: [
          edit('worker/telling.ts', "statement.origin !== 'absent' && names === null", "statement.origin !== 'absent'"),
        ],
        test: 'regress/told-by-the-cache-pooled.test.ts',
        name: 'told while it had the connection',
      },
      {
        without: 'the round behind the making of a statement that is found on a pooled connection',
        edits: [edit('worker/pool-names.ts', 'known.told.round > told.round', 'false')],
        test: 'regress/told-by-the-cache-pooled.test.ts',
        name: 'found there what somebody has made behind DDL',
      },
      {
        without: 'waiting until a description that was found is given',
        edits: [edit('worker/telling.ts', 'const heard = untold();', 'const heard = statement.told;')],
        test: 'regress/told-by-the-cache-pooled.test.ts',
        name: 'told while it had the connection',
      },
      {
        without: 'knowing that the origin told of a statement under the catalog it is renewed from',
        edits: [edit('worker/resolving.ts', 'if (!told.isConfirmed) return false;', '')],
        test: 'regress/rows-of-another-shape.test.ts',
        name: 'in which it means the same',
      },
      {
        without: 'the round behind a comparison with a statement made now',
        edits: [
          edit('worker/unresolved.ts', 'awaitRound(statement.told, startedRound(this.runtime.control) + 1);', ''),
        ],
        test: 'regress/rows-of-another-shape.test.ts',
        name: 'in which it differs',
      },
    ],
  },
  {
    id: 'C8',
    says: 'The shape keeps what literals decide.',
    mutants: [
      {
        without: "keeping 'today' and 'now' in the shape",
        edits: [edit('shared/shape.ts', 'return namesMovingMoment(text.slice(i, end)) ? -1 : end;', 'return end;')],
        test: 'unit/shape.test.ts',
      },
      {
        without: 'the range of an integer in the shape',
        edits: [edit('shared/shape.ts', "return fits(value, INT8_MAX) ? '8' : 'n';", "return '4';")],
        test: 'unit/shape.test.ts',
      },
    ],
  },
  {
    id: 'C9',
    says: 'Fill and cache only on connections to the very server that the stream comes from.',
    mutants: [
      {
        without: 'the start time of the server',
        edits: [edit('cache/context.ts', ' || context.postmasterStart !== origin.postmasterStart', '')],
        test: 'system/context.test.ts',
        name: 'of another database or server are told apart',
      },
      {
        without: 'the system identifier',
        edits: [
          edit(
            'cache/context.ts',
            "if (context.systemIdentifier !== origin.systemIdentifier) return 'session.standby';",
            '',
          ),
        ],
        test: 'system/context.test.ts',
        name: 'of another database or server are told apart',
      },
    ],
  },
  {
    id: 'C10',
    says: "Labels of users' functions prove nothing.",
    mutants: [
      {
        without: "the look into users' functions",
        edits: [edit('cache/analyse/names.ts', 'return candidates;', 'return [];')],
        test: 'unit/analyse-objects.test.ts',
      },
    ],
  },
  {
    id: 'C11',
    says: 'The clock stands still while the catalog fingerprint differs.',
    mutants: [
      {
        without: 'comparing the fingerprint',
        edits: [edit('cache/clock.ts', 'if (changed.length > 0) {', 'if (changed.length > 1_000) {')],
        test: 'regress/ddl-without-dml.test.ts',
        name: 'is seen by a statement that was cached before it',
      },
      {
        without: 'looking closer when the digest differs',
        edits: [
          edit('cache/round.ts', "if (same !== 't' && digest !== digestOfObjects(accepted))", 'if (digest === null)'),
        ],
        test: 'system/clock.test.ts',
        name: 'says in one hash that the catalog is the accepted one, and catalog by catalog what is not',
      },
      {
        without: 'looking whether our tables are still published',
        edits: [edit('cache/clock.ts', 'if (missing.length > 0) {', 'if (missing.length > 1_000_000) {')],
        test: 'system/cache-thread.test.ts',
        name: 'begins anew when somebody drops its publication',
      },
    ],
  },
  {
    id: 'C12',
    says: 'A position that the stream does not reach is nudged.',
    mutants: [
      {
        without: 'the nudge',
        edits: [edit('cache/nudges.ts', 'this.#ports.nudge(target).catch(this.#ports.onError);', 'void this.#ports;')],
        test: 'system/clock.test.ts',
        name: 'goes on while a bulk transaction is open',
      },
      {
        without: 'commits of our own that wait for no standby',
        edits: [
          edit('cache/control-connection.ts', '`synchronous_commit = local`, // C12: never wait for a standby', ''),
        ],
        test: 'consistency/c24-missing-standby.test.ts',
        name: 'pgfresh makes what it needs on the origin, and rounds complete',
      },
    ],
  },
  {
    id: 'C13',
    says: 'Commits that are acknowledged before they are flushed are covered.',
    mutants: [
      {
        without: 'the insert position (the flush position instead)',
        edits: [
          edit(
            'cache/round.ts',
            'FROM (SELECT pg_catalog.pg_current_wal_insert_lsn()',
            'FROM (SELECT pg_catalog.pg_current_wal_flush_lsn()',
          ),
        ],
        test: 'system/clock.test.ts',
        name: 'covers commits that were acknowledged before they were flushed',
        runsMax: 3,
      },
      {
        without: 'comparing the snapshots (the first position for ever)',
        edits: [edit('cache/clock.ts', 'if (this.#shown?.snapshotText !== snapshotText)', 'if (this.#shown === null)')],
        test: 'unit/clock.test.ts',
        name: 'waits no further than to the first position with the same snapshot: nothing was committed behind it',
      },
      {
        without: 'looking whether the stream told of each transaction that the snapshot shows',
        edits: [
          edit(
            'cache/applied-xids.ts',
            'for (let xid = covered.xmax; xid < xmax; xid++) if (!isKnown(xid)) return false;',
            '',
          ),
        ],
        test: 'unit/applied-xids.test.ts',
        name: 'where the stream told of all that came to be seen since',
      },
      {
        without: 'those that were running in the snapshot of before',
        edits: [edit('cache/applied-xids.ts', 'return covered.running.every(isKnown);', 'return true;')],
        test: 'unit/applied-xids.test.ts',
        name: 'where one that was running is over, only if the stream told of that',
      },
    ],
  },
  {
    id: 'C14',
    says: 'The end of the commit counts; keepalives are answered and prove progress; silence and pauses prove nothing.',
    mutants: [
      {
        without: 'noticing that the machine was paused',
        edits: [edit('cache/clock.ts', 'if (jumpMs <= this.#limits.jumpMs) return;', 'if (jumpMs < Infinity) return;')],
        test: 'unit/clock.test.ts',
        name: 'forgets rounds that a pause of the machine fell into (C14)',
      },
      {
        without: 'the bound of keepalives in the midst of a transaction',
        edits: [
          edit(
            'cache/replication-state.ts',
            'return this.#raise(openFinalLsn !== null && walEnd > openFinalLsn ? openFinalLsn : walEnd);',
            'return this.#raise(openFinalLsn === null ? walEnd : walEnd);',
          ),
        ],
        test: 'unit/replication-state.test.ts',
        name: 'does not pass the commit of a transaction that is still arriving',
      },
      {
        without: 'the death of a silent stream',
        edits: [edit('cache/replication.ts', "if (verdict === 'dead') {", "if (verdict === 'dead' && nowMs < 0) {")],
        test: 'system/replication-black-hole.test.ts',
        name: 'ends a stream that answers nothing',
      },
      {
        without: 'max_staleness on the hit path',
        edits: [
          edit(
            'worker/serve.ts',
            'if (this.ageMs > (this.hints?.maxStalenessMs ?? this.runtime.config.cache.maxStalenessMs)) {',
            'if (this.ageMs > 1_000 * (this.hints?.maxStalenessMs ?? this.runtime.config.cache.maxStalenessMs)) {',
          ),
        ],
        test: 'regress/stale-over-a-hung-stream.test.ts',
        name: 'a direct write is seen once max_staleness has passed',
      },
    ],
  },
  {
    id: 'C15',
    says: 'Fences are set at the end of the transaction, before it is forwarded, on errors and lost connections too.',
    mutants: [
      {
        without: 'the fence at ReadyForQuery',
        edits: [edit('worker/effects.ts', 'this.lookOver();\n      this.acknowledge();', 'this.lookOver();')],
        test: 'regress/stale-over-a-hung-stream.test.ts',
        name: 'a write through pgfresh is seen by every session at once (strong)',
      },
      {
        without: 'the fence where a transaction ends inside a batch',
        edits: [
          edit(
            'worker/effects.ts',
            'for (const work of owed.group.works) transaction.written.add(work);\n    this.acknowledge();',
            'void transaction;',
          ),
        ],
        test: 'consistency/c15-fence-at-the-commit.test.ts',
        name: 'a transaction that ends inside a batch',
      },
      {
        without: 'the fence of what is outstanding when the connection is lost',
        edits: [
          edit('worker/effects.ts', 'for (const work of group.works) transaction.written.add(work);', 'void group;'),
        ],
        test: 'consistency/c15-fence-at-the-commit.test.ts',
        name: 'a write whose connection ended before its acknowledgement',
      },
    ],
  },
  {
    id: 'C16',
    says: 'A point write names its rows by the primary key and sets no column of it; anything else fences the table.',
    mutants: [
      {
        without: 'fencing the rows of a point write',
        edits: [
          edit('worker/fence.ts', "else if (!faults.includes('point')) for", "else if (faults.includes('none')) for"),
        ],
        test: 'system/row-level-fences.test.ts',
        name: 'leaves what it cannot have changed in the cache, and nothing else',
      },
      {
        without: 'looking whether a key column is set',
        edits: [
          edit(
            'cache/analyse/points.ts',
            'if (name === undefined || this.#key.some((column) => column.name === name)) return null;',
            'if (name === undefined) return null;',
          ),
        ],
        test: 'unit/analyse-points.test.ts',
      },
      {
        without: 'looking for ON CONFLICT DO UPDATE',
        edits: [
          edit(
            'cache/analyse/points.ts',
            "if (onConflictClause !== undefined && onConflictClause.action !== 'ONCONFLICT_NOTHING') return null;",
            '',
          ),
        ],
        test: 'unit/analyse-points.test.ts',
      },
      {
        without: 'the global fence for writes whose tables are unknown',
        edits: [
          edit(
            'worker/fence.ts',
            'if (written.isUnknown) raiseDatabaseFence(control, hash, round);',
            'void raiseDatabaseFence;',
          ),
        ],
        test: 'regress/write-that-nobody-recognised.test.ts',
        name: 'seen by another session at once',
      },
    ],
  },
  {
    id: 'C17',
    says: 'Fence words only rise, and outlive generations of the cache.',
    mutants: [
      {
        without: 'the maximum: the last writer wins',
        edits: [edit('shared/memory/control.ts', 'while (seen < value) {', 'while (seen !== value) {')],
        test: 'unit/fences.test.ts',
        name: 'only rise',
      },
    ],
  },
  {
    id: 'C18',
    says: 'An answer counts from a round that began after it was given, so a hit shows nothing that the cache has not; a notification raises the floor to now.',
    mutants: [
      {
        without: 'the round that confirms an answer',
        edits: [edit('worker/entry-rounds.ts', ' && freshRound >= confirming', '')],
        test: 'consistency/c18-monotonic.test.ts',
        name: 'does not miss in one answer what it saw in another',
      },
      {
        without: 'the floor that a notification raises',
        edits: [
          edit(
            'worker/effects.ts',
            'this.session.transaction.listens = true;\n      this.raiseFloor();',
            'this.session.transaction.listens = true;',
          ),
        ],
        test: 'consistency/c18-monotonic.test.ts',
        name: 'a notification is followed by what it tells of',
      },
      {
        without: 'asking for a follower after it came',
        edits: [edit('worker/read-lines.ts', 'this.line.add(reader);', '(this.party ??= new Set()).add(reader);')],
        test: 'unit/read-lines.test.ts',
        name: 'goes as one party when the first is back: whoever came before its leader went out is answered with it',
      },
    ],
  },
  {
    id: 'C19',
    says: 'Loads come in order: freshness first, then the epoch word, the slot, the copy, and the fences last.',
    mutants: [
      {
        without: 'loading freshness before the entry is looked up',
        edits: [
          edit('worker/entry-rounds.ts', 'if (freshRound >= needed && ', 'if (reader.freshRound() >= needed && '),
        ],
        test: 'consistency/c19-order-of-loads.test.ts',
      },
      {
        without: 'storing the epoch word before the slot is loaded',
        edits: [
          edit(
            'worker/serve.ts',
            'enterEpoch(control, this.runtime.epochWord, this.cache.reader.words);',
            'void enterEpoch;',
          ),
        ],
        test: 'consistency/c19-order-of-loads.test.ts',
      },
    ],
  },
  {
    id: 'C20',
    says: 'Memory is reused only after every worker was quiescent; a new cache thread starts after the exit of the old one.',
    mutants: [
      {
        without: 'waiting for readers',
        edits: [edit('shared/memory/epochs.ts', 'if (!this.#ignoreReaders && ', 'if (this.#ignoreReaders && ')],
        test: 'unit/epochs.test.ts',
        name: 'which was reading when it was retired',
      },
      {
        without: 'the generation in the question whether a store may be read',
        edits: [edit('worker/cache-link.ts', 'currentGeneration(this.control) === this.generation && ', '')],
        test: 'consistency/c20-generations.test.ts',
      },
    ],
  },
  {
    id: 'C21',
    says: 'An answer that is corrected in place leaves at once and comes back only when its change is settled.',
    mutants: [
      {
        without: 'waiting for the transaction to settle',
        edits: [
          edit(
            'cache/correction.ts',
            'return !this.isOpen && this.settledStamp <= settleStamp;',
            'return !this.isOpen;',
          ),
        ],
        test: 'regress/commit-seen-before-it-is-visible.test.ts',
        name: 'the answer of before the commit is not admitted',
      },
      {
        without: "asking whether it is the completed round's own snapshot that shows the transaction",
        edits: [
          edit(
            'cache/correction.ts',
            'this.settledStamp <= settleStamp;',
            'this.settledStamp < Number.POSITIVE_INFINITY;',
          ),
        ],
        test: 'unit/in-place.test.ts',
        name: 'waits for a round whose own snapshot shows the transaction, and counts from that round on',
      },
      {
        without: 'asking whether the stream has told all that a list shows',
        edits: [edit('cache/in-place.ts', ' || !this.#options.isConfirmed(block)', '')],
        test: 'unit/in-place.test.ts',
        name: 'a list that no round has confirmed is left to the next miss',
      },
      {
        without: 'the transactions of a list but the last',
        edits: [
          edit(
            'cache/correction.ts',
            '[...this.#transactions.filter((each) => !settled.includes(each)), transaction]',
            '[transaction]',
          ),
        ],
        test: 'unit/in-place.test.ts',
        name: 'a list waits for each transaction that changed it',
      },
      {
        without: 'the rows behind a full LIMIT',
        edits: [edit('cache/listed-rows.ts', "return this.#mayHaveMore ? 'unknown' : 'changed';", "return 'changed';")],
        test: 'unit/listed-rows.test.ts',
        name: 'old rows told whole',
      },
      {
        without: 'forgetting the recipe with the catalog',
        edits: [edit('cache/in-place.ts', '    this.#recipes.clear();\n', '')],
        test: 'unit/in-place.test.ts',
        name: 'looks into a key again when',
      },
      {
        without: 'the settle rule for answers made by a recipe',
        edits: [edit('cache/admitter.ts', '      !this.#hasChanged(dependencies, settleStamp);', '      true;')],
        test: 'unit/admitter.test.ts',
        name: 'made anew under a key that was there before, by the same rules',
      },
    ],
  },
  {
    id: 'C22',
    says: 'Columns outside the key of a key-only old row are unknown, not NULL.',
    mutants: [
      {
        without: 'the difference between unknown and NULL',
        edits: [
          edit(
            'cache/row-view.ts',
            "if (this.#told === 'key' && !this.#change.relation.columns[i]!.isKey) return undefined;",
            "if (this.#told === 'key' && !this.#change.relation.columns[i]!.isKey) return null;",
          ),
        ],
        test: 'regress/old-rows-that-are-not-on-the-stream.test.ts',
        name: 'each change is seen by each kind of answer',
      },
    ],
  },
  {
    id: 'C23',
    says: 'A published table that loses its replica identity leaves the publication at once.',
    mutants: [
      {
        without: 'looking over the publication after DDL',
        edits: [
          edit(
            'cache/life.ts',
            'const refusals = await this.#publication!.revalidate();',
            'const refusals = (await this.#publication!.hasUnfit()) ? [] : [];',
          ),
        ],
        test: 'system/origin-safety.test.ts',
        name: 'lets a table that loses its primary key be updated',
      },
      {
        without: 'looking before DDL is acknowledged',
        edits: [
          edit(
            'worker/effects.ts',
            'if (identityTags.has(tag)) this.identityInDoubt = true;',
            'if (identityTags.size === 0) this.identityInDoubt = true;',
          ),
        ],
        test: 'regress/identity-lost-through-the-proxy.test.ts',
        name: 'its primary key',
      },
    ],
  },
  {
    id: 'C24',
    says: 'Never wait for ever: settle by the set of transactions; bounded waits for slots, locks and barriers.',
    mutants: [
      {
        without: 'the set: everything before must have ended',
        edits: [
          edit(
            'cache/settle.ts',
            'return fullXid < snapshot.xmax && !snapshot.running.includes(fullXid);',
            'return fullXid < snapshot.xmax && snapshot.running.length === 0;',
          ),
        ],
        test: 'unit/settle.test.ts',
        name: 'does not wait for a commit that hangs to settle later ones (C24)',
      },
      {
        without: 'looking whether a snapshot of before shows what the stream tells',
        edits: [edit('cache/settle.ts', 'if (!isVisible(snapshot, widenXid(xid, snapshot.xmax))) break;', '')],
        test: 'unit/settle.test.ts',
        name: 'has a transaction settled that a snapshot showed before the stream told of it, with the stamp of the first that did',
      },
      {
        without: 'the time limit of the slot',
        edits: [
          // biome-ignore lint/suspicious/noTemplateCurlyInString: a piece of source
          edit('cache/slot.ts', 'SET lock_timeout = ${Math.max(1, Math.floor(slotTimeoutMs))}', 'SET lock_timeout = 0'),
        ],
        test: 'system/replication.test.ts',
        name: 'gives up when a transaction that is open keeps the slot from being made',
      },
      {
        without: 'the bound of the lag',
        edits: [edit('cache/replication.ts', 'lagBytes <= BigInt(this.#options.lagBytesMax)', 'lagBytes >= 0n')],
        test: 'system/replication.test.ts',
        name: 'ends when it is further behind than allowed',
      },
      {
        without: 'waiting only for those who hold a lock that writing takes',
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a piece of source
        edits: [edit('cache/barrier.ts', ' AND l.mode IN ${writeModes}`', '`')],
        test: 'system/publication.test.ts',
        name: 'does not wait for old transactions that never touched the table, nor for readers',
      },
    ],
  },
  {
    id: 'C25',
    says: 'Isolation above READ COMMITTED and open batches count as transactions; a huge commit stalls nobody.',
    mutants: [
      {
        without: 'the default isolation of a session',
        edits: [
          edit(
            'cache/context.ts',
            "if (context.isolation !== 'read committed' && context.isolation !== 'read uncommitted') return 'session.isolation';",
            '',
          ),
        ],
        test: 'system/context.test.ts',
        name: 'but their statements can be analysed',
      },
      {
        without: 'turns for others in the midst of a huge transaction',
        edits: [edit('cache/intake.ts', 'const BURST_BYTES_MAX = 64 * 1024;', 'const BURST_BYTES_MAX = 2 ** 40;')],
        test: 'consistency/c25-huge-commit.test.ts',
      },
      {
        without: 'slices of what one change takes out',
        edits: [
          edit(
            'cache/apply.ts',
            'const SLICE = Limits.invalidatedPerSliceMax;',
            'const SLICE = Number.POSITIVE_INFINITY;',
          ),
        ],
        test: 'consistency/c25-leaving-in-slices.test.ts',
        name: 'takes out all entries of a table slice by slice',
      },
      {
        without: 'holding back what follows a change whose entries are still leaving',
        edits: [
          edit(
            'cache/intake.ts',
            'if (sink.isBusy === true) this.#hold();',
            'if (sink.isBusy === true) setImmediate(() => this.#goOn());',
          ),
        ],
        test: 'consistency/c25-leaving-in-slices.test.ts',
        name: 'takes out all entries of a table slice by slice',
      },
      {
        without: 'slices of what is cleared',
        edits: [
          edit('cache/store.ts', 'looked < Limits.clearedEntriesPerSliceMax', 'looked < Number.POSITIVE_INFINITY'),
        ],
        test: 'consistency/c25-leaving-in-slices.test.ts',
        name: 'the dead leave slice by slice',
      },
    ],
  },
];
