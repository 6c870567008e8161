import { ConsiliumError } from '@consilium/protocol';
import { readJsonFile, writeJsonFile } from '../state/json-file.js';

/** What a state folder was enrolled as. */
export interface SiteRecord {
  readonly schema: 1;
  readonly client: string;
  readonly url: string;
  /** The trail key of the reducer that this site trusts from now on. */
  readonly reducer_key: string;
  readonly enrolled_at: string;
}

/** `<state>/enrolment.json` */
export class SiteRecordFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** @throws ConsiliumError CLIENT_STATE_DAMAGED; never a fresh trust in whoever answers */
  async read(): Promise<SiteRecord | undefined> {
    const value = (await readJsonFile(this.path)) as Partial<SiteRecord> | undefined;
    if (value === undefined) return undefined;
    const { schema, client, url, reducer_key, enrolled_at } = value ?? {};
    const whole = [client, url, reducer_key, enrolled_at].every((field) => typeof field === 'string');
    if (schema === 1 && whole) return value as SiteRecord;
    throw new ConsiliumError('CLIENT_STATE_DAMAGED', 'A field is missing, or it is of a newer version.', {
      where: this.path,
    });
  }

  write(record: SiteRecord): Promise<void> {
    return writeJsonFile(this.path, record);
  }
}
