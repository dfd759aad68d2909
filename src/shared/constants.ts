/**
 * Constants of statements: where a statement has them, and what they are in one execution of it. Entries and writes read them by the same
 * code, so that equal keys are equal strings on both sides.
 */
import { type CanonicalType, canonicalBinary, canonicalText, familyOfType } from './canonical.ts';
import { shapeOf } from './shape.ts';

/** Where a constant of a statement is: in the text, in a literal lifted out of the shape, or in a parameter of Bind. */
export type ValueSource =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'lifted'; readonly index: number }
  | { readonly kind: 'parameter'; readonly index: number };

export interface Parameter {
  readonly binary: boolean;
  /** Null is NULL. */
  readonly bytes: Buffer | null;
}

/** The constants of one execution of a statement: those in its text, and the parameters it was bound to. */
export class Constants {
  readonly #text: string;
  readonly #parameters: readonly Parameter[];
  readonly #unicode: boolean;
  #lifted: readonly string[] | undefined;

  /** @param text of the statement, without comments. @param unicode whether constants beyond ASCII can be compared */
  constructor(text: string, parameters: readonly Parameter[], unicode: boolean) {
    this.#text = text;
    this.#parameters = parameters;
    this.#unicode = unicode;
  }

  /** Canonical text, null for NULL, undefined when it is not certain. */
  read(type: CanonicalType, source: ValueSource): string | null | undefined {
    const value = this.#canonical(type, source);
    if (typeof value === 'string' && !this.#unicode && familyOfType(type) === 'string' && !isAscii(value)) {
      return undefined;
    }
    return value;
  }

  #canonical(type: CanonicalType, source: ValueSource): string | null | undefined {
    switch (source.kind) {
      case 'literal':
        return canonicalText(type, source.text) ?? undefined;
      case 'lifted': {
        this.#lifted ??= shapeOf(this.#text)?.literals ?? [];
        const literal = this.#lifted[source.index];
        return literal === undefined ? undefined : (canonicalText(type, literal) ?? undefined);
      }
      case 'parameter': {
        const parameter = this.#parameters[source.index];
        if (parameter === undefined) return undefined;
        if (parameter.bytes === null) return null;
        const { binary, bytes } = parameter;
        return (binary ? canonicalBinary(type, bytes) : canonicalText(type, bytes.toString('utf8'))) ?? undefined;
      }
    }
  }
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** Formats and values of a Bind message after its names; null when malformed. Manual: Message Formats, Bind. */
export function readParameters(tail: Uint8Array): Parameter[] | null {
  return readBind(tail)?.parameters ?? null;
}

/** Format codes that a Bind message asks for results in: none, one for all, or one for each column; null when malformed. */
export function readResultFormats(tail: Uint8Array): number[] | null {
  const bound = readBind(tail);
  if (bound === null || bound.end + 2 > tail.length) return null;
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  const count = bytes.readUInt16BE(bound.end);
  if (bound.end + 2 + 2 * count !== bytes.length) return null;
  return Array.from({ length: count }, (_, i) => bytes.readUInt16BE(bound.end + 2 + 2 * i));
}

function readBind(tail: Uint8Array): { readonly parameters: Parameter[]; readonly end: number } | null {
  const bytes = Buffer.from(tail.buffer, tail.byteOffset, tail.length);
  if (bytes.length < 2) return null;
  const formatCount = bytes.readUInt16BE(0);
  let at = 2 + 2 * formatCount;
  if (at + 2 > bytes.length) return null;
  const count = bytes.readUInt16BE(at);
  at += 2;
  if (formatCount > 1 && formatCount !== count) return null;
  const parameters: Parameter[] = [];
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return null;
    const length = bytes.readInt32BE(at);
    at += 4;
    if (length < -1 || at + length > bytes.length) return null;
    const format = formatCount === 0 ? 0 : bytes.readUInt16BE(2 + 2 * (formatCount === 1 ? 0 : i));
    if (format > 1) return null;
    parameters.push({ binary: format === 1, bytes: length < 0 ? null : bytes.subarray(at, at + length) });
    if (length > 0) at += length;
  }
  return { parameters, end: at };
}
