/**
 * Codes of messages, the one place for them. Manual: Frontend/Backend Protocol, Message Formats.
 * Every message but the first of a connection is `code (1) ‖ length (4, big endian, counts itself) ‖ body`.
 */

/** From the client to the server. */
export const Frontend = {
  bind: 0x42, // B
  close: 0x43, // C
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyFail: 0x66, // f
  describe: 0x44, // D
  execute: 0x45, // E
  flush: 0x48, // H
  functionCall: 0x46, // F
  parse: 0x50, // P
  /** Password, SASL and GSS responses share one code. */
  password: 0x70, // p
  query: 0x51, // Q
  sync: 0x53, // S
  terminate: 0x58, // X
} as const;

/** From the server to the client. */
export const Backend = {
  authentication: 0x52, // R
  backendKeyData: 0x4b, // K
  bindComplete: 0x32, // 2
  closeComplete: 0x33, // 3
  commandComplete: 0x43, // C
  copyBothResponse: 0x57, // W
  copyData: 0x64, // d
  copyDone: 0x63, // c
  copyInResponse: 0x47, // G
  copyOutResponse: 0x48, // H
  dataRow: 0x44, // D
  emptyQueryResponse: 0x49, // I
  errorResponse: 0x45, // E
  functionCallResponse: 0x56, // V
  negotiateProtocolVersion: 0x76, // v
  noData: 0x6e, // n
  noticeResponse: 0x4e, // N
  notificationResponse: 0x41, // A
  parameterDescription: 0x74, // t
  parameterStatus: 0x53, // S
  parseComplete: 0x31, // 1
  portalSuspended: 0x73, // s
  readyForQuery: 0x5a, // Z
  rowDescription: 0x54, // T
} as const;

/** Second field of the first packet of a connection. Manual: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage. */
export const StartupCode = {
  cancel: 80877102,
  ssl: 80877103,
  gssEncryption: 80877104,
} as const;

/** Target byte of Describe and Close. */
export const Target = {
  statement: 0x53, // S
  portal: 0x50, // P
} as const;

/** Transaction status byte of ReadyForQuery. */
export const TransactionStatus = {
  idle: 0x49, // I
  inBlock: 0x54, // T
  failed: 0x45, // E
} as const;

function flags(codes: readonly number[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const code of codes) table[code] = 1;
  return table;
}

/** 1 for codes that a client may send after its startup packet. */
export const frontendCodes: Uint8Array = flags(Object.values(Frontend));
/** 1 for codes that a server may send. */
export const backendCodes: Uint8Array = flags(Object.values(Backend));
/** 1 for backend messages that are relayed in pieces as they arrive: no decision needs their bodies. */
export const streamedBackendCodes: Uint8Array = flags([Backend.dataRow, Backend.copyData]);
/** 1 for backend messages that may come in pieces when they are long. An error may be, since it repeats the value that it does not like. */
export const longBackendCodes: Uint8Array = flags([
  Backend.errorResponse,
  Backend.dataRow,
  Backend.copyData,
  Backend.rowDescription,
  Backend.parameterDescription,
  Backend.functionCallResponse,
]);
/** 1 for frontend messages that carry COPY data or its end. */
export const copyCodes: Uint8Array = flags([Frontend.copyData, Frontend.copyDone, Frontend.copyFail]);
/** 1 for frontend messages that end a batch: the server answers, or is asked to send what it has. */
export const batchEndCodes: Uint8Array = flags([
  Frontend.sync,
  Frontend.flush,
  Frontend.query,
  Frontend.functionCall,
  Frontend.terminate,
  Frontend.password,
]);
