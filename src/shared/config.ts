/** The configuration as every thread gets it: plain data, complete, validated (src/proxy/config.ts builds it). */

export const ConsistencyLevels = ['strong', 'session', 'bounded', 'monotonic', 'off'] as const;
export type Consistency = (typeof ConsistencyLevels)[number];

export interface Upstream {
  /** Host name, address, or a directory (starts with '/') for a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly sslmode: 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
  /** PEM files: the authorities trusted to sign the origin's certificate, our own certificate and its key. */
  readonly sslrootcert?: string;
  readonly sslcert?: string;
  readonly sslkey?: string;
}

export const ClientTlsModes = ['disable', 'allow', 'require', 'verify'] as const;

/** Encryption towards clients that come over TCP (ADR-006). Paths of PEM files. */
export interface ClientTls {
  readonly mode: (typeof ClientTlsModes)[number];
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Who signs the certificates of clients. */
  readonly ca: string | undefined;
}

/** How clients log in where SCRAM cannot simply be relayed: both connections are encrypted (ADR-006). */
export interface AuthConfig {
  /** Returns a role's SCRAM verifier in its last column; `$1` is the role. */
  readonly query: string | undefined;
  /** A file of verifiers, `"role" "SCRAM-SHA-256$…"` a line. */
  readonly file: string | undefined;
  /** Ask the client for its password, over TLS, when there is no verifier to be had. */
  readonly askPassword: boolean;
}

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

export const FixedModels = ['async', 'pool', 'work-stealing', 'per-connection'] as const;
export type FixedModel = (typeof FixedModels)[number];
export const ConcurrencyModels = ['auto', ...FixedModels] as const;
export type ConcurrencyModel = (typeof ConcurrencyModels)[number];

/** Which thread serves which connection (ADR-016). */
export interface ConcurrencyConfig {
  readonly model: ConcurrencyModel;
  /** For connections of one kind; undefined: `model`. */
  readonly tcp: ConcurrencyModel | undefined;
  readonly unix: ConcurrencyModel | undefined;
  /** Threads that serve one connection each (per-connection). */
  readonly maxThreads: number;
  /** How long such a thread waits for another connection. */
  readonly threadIdleMs: number;
  /** Connections that may wait for a worker. */
  readonly queueDepthMax: number;
  /** What `auto` decides by. */
  readonly optimizeFor: 'latency' | 'throughput';
  /** How long a worker looks for more work before it sleeps, microseconds; 0: not at all. */
  readonly pollUs: number;
}

export const PoolModes = ['session', 'transaction'] as const;

/** How clients share connections to the origin (ADR-020). */
export interface PoolConfig {
  /** `session`: each client has its own; `transaction`: it has one while the origin has something to do for it. */
  readonly mode: (typeof PoolModes)[number];
  /** Connections per worker and per role, database and startup parameters; those that belong to one session for good are not counted. */
  readonly size: number;
  /** How long a connection that nobody uses stays open. */
  readonly idleTimeoutMs: number;
  /** How long a statement waits for a connection. */
  readonly waitTimeoutMs: number;
  /** Sessions that may wait, of each pool. */
  readonly waitingMax: number;
}

/** A server of the second tier (ADR-025). */
export interface RedisNode {
  readonly host: string;
  readonly port: number;
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Number of the database; a Cluster has only 0. */
  readonly database: number;
  readonly tls: boolean;
}

/** Where nodes leave answers that are dear to recompute for each other. */
export interface SecondTierConfig {
  /** One server, or some of a Cluster. */
  readonly nodes: readonly RedisNode[];
  readonly cluster: boolean;
  /** What an answer must have cost the origin to be left there, and asked for. */
  readonly costMsMin: number;
  readonly ttlMs: number;
  /** How long an answer of it is waited for. */
  readonly timeoutMs: number;
}

export interface Config {
  readonly upstream: Upstream;
  /** Where the change stream comes from when not `upstream` (same server, other address or role). */
  readonly cdcUpstream: Upstream;
  readonly listen: readonly TcpAddress[];
  /** Directory of the Unix socket `.s.PGSQL.<port of the first listener>`. */
  readonly listenUnix: string | undefined;
  /** Permission bits of the Unix socket. */
  readonly listenUnixMode: number;
  /** From where connections begin with a header of the PROXY protocol: addresses, networks, `unix`. */
  readonly proxyProtocol: readonly string[];
  readonly tls: ClientTls;
  readonly auth: AuthConfig;
  /** Silence after which TCP asks whether the peer is still there, on both sides; 0: never. */
  readonly keepaliveMs: number;
  readonly admin: TcpAddress | undefined;
  /** Workers of a pool. */
  readonly workers: number;
  /** Somebody said how many; else they are as many as cores, and `auto` may begin fewer. */
  readonly areWorkersGiven: boolean;
  readonly concurrency: ConcurrencyConfig;
  readonly consistency: Consistency;
  readonly cache: {
    readonly memoryBytes: number;
    readonly entryBytesMax: number;
    readonly maxStalenessMs: number;
    /** How long a miss may wait for the same miss of somebody else; 0: never. */
    readonly singleFlightWaitMs: number;
    /** Answers that show one row are corrected from the change stream, rather than dropped. */
    readonly inPlace: boolean;
    /** Hot answers that a change took out are asked for again by an idle session of the same context. */
    readonly refreshAhead: boolean;
  };
  /** Null: this node is alone. */
  readonly tier2: SecondTierConfig | null;
  readonly transactions: { readonly lazyBegin: boolean };
  readonly pool: PoolConfig;
  readonly limits: {
    readonly connectionsMax: number;
    readonly startupTimeoutMs: number;
    readonly originConnectTimeoutMs: number;
    /** How long a client may do nothing outside of a transaction; 0: for ever. */
    readonly idleTimeoutMs: number;
  };
  readonly cdc: {
    /** Undefined: a temporary slot, gone with the connection. */
    readonly slot: string | undefined;
    readonly slotLagBytesMax: number;
    readonly lockTimeoutMs: number;
    readonly slotTimeoutMs: number;
    /** Databases with a change stream at once, that of `upstream` included; sessions of others pass through. */
    readonly databasesMax: number;
    /** A change stream without sessions ends after this time, except that of `upstream`. */
    readonly databaseIdleMs: number;
  };
  readonly restart: { readonly backoffMsMin: number; readonly backoffMsMax: number; readonly heartbeatMsMax: number };
  readonly drain: { readonly graceMs: number };
  readonly log: { readonly level: string; readonly pretty: boolean };
  /** Keep trying when the origin cannot be reached at start. */
  readonly wait: boolean;
  /** Test-only switches that break a rule on purpose, so that tests can show that they notice. Empty in production. */
  readonly faults: readonly string[];
}
