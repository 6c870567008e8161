import { digestOf, type ObjectStore, readBytes } from '@consilium/platform';
import {
  ConsiliumError,
  type ObjectRef,
  type ReportObject,
  reportObjectSchema,
  type SessionRecord,
  type TaskKind,
} from '@consilium/protocol';

/** Reports of a cohort of 10,000 sites stay below this. */
const largestReport = 256 * 2 ** 20;

/**
 * The report objects that a record names, each of the round and attempt that the record is in.
 * @param epoch where given, a report of another epoch is refused: its cohort was handed over since.
 * @throws SESSION_BAD_REPORT; STORE_UNAVAILABLE
 */
export async function readReports(
  store: Pick<ObjectStore, 'get'>,
  record: Pick<SessionRecord, 'id' | 'round' | 'attempt'>,
  kind: TaskKind,
  refs: readonly ObjectRef[],
  epoch?: number,
): Promise<ReportObject[]> {
  return Promise.all(
    refs.map(async (ref) => {
      const where = `${ref.bucket}/${ref.key}`;
      const bad = (detail: string, cause?: unknown) =>
        new ConsiliumError('SESSION_BAD_REPORT', detail, {
          where,
          ...(cause === undefined ? {} : { cause }),
        });
      const bytes = await read(store, ref).catch((error: unknown) => {
        const code = (error as { code?: unknown }).code;
        if (code !== 'STORE_NOT_FOUND' && code !== 'STORE_TOO_LARGE') throw error;
        throw bad((error as ConsiliumError).detail, error);
      });
      const found = digestOf(bytes);
      if (found !== ref.digest) throw bad(`It has digest ${found}, not ${ref.digest}.`);
      const report = parse(bytes);
      if (typeof report === 'string') throw bad(report);
      const of = `${report.session}, round ${report.round}, attempt ${report.attempt}, ${report.kind}`;
      const wanted = `${record.id}, round ${record.round}, attempt ${record.attempt}, ${kind}`;
      if (of !== wanted) throw bad(`It is of ${of}; the record asks for ${wanted}.`);
      if (epoch !== undefined && report.epoch !== epoch) {
        throw bad(`It is of epoch ${report.epoch}; the cohorts are of epoch ${epoch}.`);
      }
      return report;
    }),
  );
}

async function read(store: Pick<ObjectStore, 'get'>, ref: ObjectRef): Promise<Uint8Array> {
  return (await readBytes(store, ref.bucket, ref.key, { limit: largestReport })).bytes;
}

function parse(bytes: Uint8Array): ReportObject | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return 'It is not JSON.';
  }
  const parsed = reportObjectSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return `${issue?.path.map(String).join('.')}: ${issue?.message}.`;
}
