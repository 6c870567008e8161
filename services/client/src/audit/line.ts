import { canonicalJson, sha256 } from '@consilium/platform';

/** One line of the audit log. */
export interface AuditLine {
  /** From 1, without gaps. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly event: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** sha256 (hex) of the bytes of the line before, without its line feed; 64 zeros in the first line. */
  readonly previous: string;
  /** sha256 (hex) of the canonical JSON of the five members above. */
  readonly hash: string;
}

export const GENESIS = '0'.repeat(64);

export function makeLine(fields: Omit<AuditLine, 'hash'>): string {
  const { seq, at, event, details, previous } = fields;
  const content = canonicalJson({ seq, at, event, details, previous });
  return JSON.stringify({ ...(JSON.parse(content) as object), hash: sha256(content) });
}

/** The line, or why it is none: form, then its own hash. Says nothing about its neighbours. */
export function parseLine(text: string): AuditLine | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'it is no JSON';
  }
  if (typeof value !== 'object' || value === null) return 'it is no JSON object';
  const { seq, at, event, details, previous, hash } = value as Partial<AuditLine>;
  if (
    typeof seq !== 'number' ||
    typeof at !== 'string' ||
    typeof event !== 'string' ||
    typeof details !== 'object' ||
    typeof previous !== 'string' ||
    typeof hash !== 'string'
  ) {
    return 'a member is missing';
  }
  // Compared as text, so that no second spelling of the same content passes.
  if (makeLine({ seq, at, event, details, previous }) !== text) return 'its content does not fit its hash';
  return { seq, at, event, details, previous, hash };
}
