import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { ConsiliumError } from '@consilium/protocol';

/** What of a terminal's input is needed. */
export interface SecretInput extends Readable {
  readonly isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

/**
 * A secret line: typed without echo at a terminal, else the first line of standard input. Empty at its end.
 * @throws CLI_INTERRUPTED on Ctrl-C
 */
export async function readSecret(
  question: string,
  input: SecretInput = process.stdin,
  output: { write(text: string): unknown } = process.stderr,
): Promise<string> {
  if (input.isTTY === true && input.setRawMode !== undefined) return typed(question, input, output);
  const lines = createInterface({ input });
  for await (const line of lines) {
    lines.close();
    return line.trim();
  }
  return '';
}

async function typed(
  question: string,
  input: SecretInput,
  output: { write(text: string): unknown },
): Promise<string> {
  output.write(question);
  input.setRawMode?.(true);
  input.resume();
  let secret = '';
  try {
    for await (const chunk of input.iterator({ destroyOnReturn: false })) {
      for (const key of String(chunk)) {
        if (key === '\r' || key === '\n' || key === '\u0004') return secret.trim();
        if (key === '\u0003') throw new ConsiliumError('CLI_INTERRUPTED', 'Ctrl-C.');
        if (key === '\u007f' || key === '\b') secret = secret.slice(0, -1);
        else if (key >= ' ') secret += key;
      }
    }
    return secret.trim();
  } finally {
    input.setRawMode?.(false);
    input.pause();
    output.write('\n');
  }
}
