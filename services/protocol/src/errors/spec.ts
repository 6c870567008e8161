/** What a stable error code means, wherever it is raised. One row of `docs/reference/errors.md`. */
export interface ErrorSpec {
  /** What went wrong, as a sentence without the particulars (those go into `detail`). */
  readonly message: string;
  /** What the person who reads it can do. */
  readonly fix: string;
  /** Status of the HTTP answer that carries it. */
  readonly http: number;
  /** Exit code of a command that ends with it (see `exitCodes`). */
  readonly exit: number;
}

/** Exit codes of every Consilium program. 1 is an error that has no better class. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  badInput: 3,
  denied: 4,
  notFound: 5,
  conflict: 6,
  unavailable: 7,
  integrity: 8,
  interrupted: 130,
} as const;

/** Checks at compile time that every entry is complete, and keeps the literal keys. */
export function defineErrors<T extends Record<string, ErrorSpec>>(table: T): T {
  return table;
}

const { usage, badInput, denied, notFound, conflict, unavailable, integrity, failure } = exitCodes;

/** Short constructors for the classes that recur. */
export const kinds = {
  usage: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 400, exit: usage }),
  badInput: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 400, exit: badInput }),
  unauthenticated: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 401, exit: denied }),
  denied: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 403, exit: denied }),
  notFound: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 404, exit: notFound }),
  conflict: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 409, exit: conflict }),
  precondition: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 412, exit: conflict }),
  tooLarge: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 413, exit: badInput }),
  integrity: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 422, exit: integrity }),
  unavailable: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 503, exit: unavailable }),
  internal: (message: string, fix: string): ErrorSpec => ({ message, fix, http: 500, exit: failure }),
} as const;
