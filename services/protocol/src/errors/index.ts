import { aggregationErrors } from './aggregation.js';
import { busErrors } from './bus.js';
import { cliErrors } from './cli.js';
import { clientErrors } from './client.js';
import { enrolmentErrors } from './enrolment.js';
import { npzErrors } from './npz.js';
import { packageErrors } from './package.js';
import { platformErrors } from './platform.js';
import { sdkErrors } from './sdk.js';
import { sessionErrors } from './session.js';
import type { ErrorSpec } from './spec.js';
import { storeErrors } from './store.js';
import { trailErrors } from './trail.js';
import { trustErrors } from './trust.js';

export { exitCodes } from './spec.js';
export type { ErrorSpec };

/**
 * Every error a person can meet, by its stable code. `docs/reference/errors.md` is made from it.
 * `@consilium/protocol/errors` is this module alone: a task process needs the errors, and loading the schemas
 * would cost it some 60 ms.
 */
export const errorTable = {
  ...platformErrors,
  ...clientErrors,
  ...cliErrors,
  ...sessionErrors,
  ...packageErrors,
  ...sdkErrors,
  ...npzErrors,
  ...aggregationErrors,
  ...storeErrors,
  ...busErrors,
  ...trustErrors,
  ...enrolmentErrors,
  ...trailErrors,
} as const;

export type ErrorCode = keyof typeof errorTable;

/** How an error travels in an HTTP answer, a NATS reply or a line of `--json` output. */
export interface ErrorBody {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: string;
  readonly where?: string;
  readonly fix: string;
}

/**
 * The one error type. `code` is stable, `detail` says what was wrong with this input,
 * `where` says where (file and field, object key, subject), `fix` what to do.
 */
export class ConsiliumError extends Error {
  override readonly name = 'ConsiliumError';
  readonly code: ErrorCode;
  readonly detail: string;
  readonly where: string | undefined;
  readonly fix: string;

  constructor(
    code: ErrorCode,
    detail: string,
    options: { where?: string; fix?: string; cause?: unknown } = {},
  ) {
    const spec: ErrorSpec = errorTable[code];
    const at = options.where === undefined ? '' : ` (${options.where})`;
    super(`${spec.message} ${detail}${at}`, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.where = options.where;
    this.fix = options.fix ?? spec.fix;
  }

  get http(): number {
    return errorTable[this.code].http;
  }

  get exit(): number {
    return errorTable[this.code].exit;
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: errorTable[this.code].message,
      detail: this.detail,
      ...(this.where === undefined ? {} : { where: this.where }),
      fix: this.fix,
    };
  }

  /** Rebuilds an error that another service sent. An unknown code becomes INTERNAL with the text kept. */
  static fromBody(body: {
    code: string;
    detail?: string;
    message?: string;
    where?: string;
    fix?: string;
  }): ConsiliumError {
    const options = {
      ...(body.where === undefined ? {} : { where: body.where }),
      ...(body.fix === undefined ? {} : { fix: body.fix }),
    };
    if (isErrorCode(body.code)) return new ConsiliumError(body.code, body.detail ?? '', options);
    return new ConsiliumError('INTERNAL', `${body.code}: ${body.detail ?? body.message ?? ''}`, options);
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

/** Any thrown value as a ConsiliumError; foreign errors become INTERNAL and keep their cause. */
export function asConsiliumError(error: unknown): ConsiliumError {
  if (error instanceof ConsiliumError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new ConsiliumError('INTERNAL', detail, { cause: error });
}
