import { asConsiliumError, ConsiliumError } from '@consilium/protocol';
import { headers, type Msg, type MsgHdrs } from 'nats';

/** Header of an answer that is an error; its value is the stable code, the body an `ErrorBody`. */
export const ERROR_HEADER = 'Consilium-Error';

const encoder = new TextEncoder();

/** @throws ConsiliumError BUS_BAD_MESSAGE when the value has no JSON form. */
export function encodeValue(value: unknown, where: string): Uint8Array {
  // An answer of `undefined` is a legitimate "done"; it travels as null.
  try {
    return encoder.encode(JSON.stringify(value ?? null));
  } catch (cause) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', 'The value has no JSON form.', { where, cause });
  }
}

/** @throws ConsiliumError BUS_BAD_MESSAGE when the bytes are no JSON in UTF-8. */
export function decodeValue(data: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch (cause) {
    throw new ConsiliumError('BUS_BAD_MESSAGE', `Its ${data.length} bytes are no JSON.`, { where, cause });
  }
}

/** @throws ConsiliumError what the other side threw, or BUS_BAD_MESSAGE. */
export function decodeAnswer(message: Msg, where: string): unknown {
  const value = decodeValue(message.data, where);
  const code = message.headers?.get(ERROR_HEADER) ?? '';
  if (code === '') return value;
  const body = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  const text = (name: string): string | undefined => {
    const member = body[name];
    return typeof member === 'string' ? member : undefined;
  };
  const detail = text('detail') ?? text('message') ?? '';
  const at = text('where');
  const fix = text('fix');
  throw ConsiliumError.fromBody({
    code,
    detail,
    ...(at === undefined ? {} : { where: at }),
    ...(fix === undefined ? {} : { fix }),
  });
}

/** Body and headers of the answer that carries an error. */
export function encodeError(error: unknown): { data: Uint8Array; headers: MsgHdrs } {
  const body = asConsiliumError(error).toBody();
  const header = headers();
  header.set(ERROR_HEADER, body.code);
  return { data: encoder.encode(JSON.stringify(body)), headers: header };
}
