import { buckets, ConsiliumError, publicKeySchema, trailGcReplySchema } from '@consilium/protocol';
import { readDocument, type TrailSource, type VerifyResult, verifySession } from '@consilium/trail';
import { Command } from 'commander';
import { collect, openSession, type Session } from '../core/command.js';
import { errorText, formatBytes, formatMetrics, type Output, table } from '../core/output.js';
import { apiTrail, openTrail } from '../local/trail-source.js';

export function trailCommand(): Command {
  return new Command('trail')
    .description('look at, verify and tidy the model trail')
    .addCommand(showCommand())
    .addCommand(verifyCommand())
    .addCommand(gcCommand());
}

/** The trail at `--store`, or the one of the context's reducer. */
async function withTrail<T>(
  session: Session,
  store: string | undefined,
  use: (trail: TrailSource) => Promise<T>,
): Promise<T> {
  if (store === undefined) return use(apiTrail(await session.api()));
  const { trail, close } = await openTrail(store);
  try {
    return await use(trail);
  } finally {
    await close();
  }
}

async function sessionsOf(trail: TrailSource): Promise<string[]> {
  const names = new Set<string>();
  for (const prefix of ['heads/', 'trail/']) {
    for await (const { key } of trail.list(buckets.models, prefix)) {
      names.add(key.split('/')[1]!.replace(/\.json$/, ''));
    }
  }
  return [...names].sort();
}

function showCommand(): Command {
  return new Command('show')
    .description('the models of a session as they lie in the trail; all sessions if none is named')
    .argument('[session]')
    .option('--store <place>', 'a folder or s3://key:secret@host:port, instead of the reducer')
    .addHelpText(
      'after',
      '\nThis shows what the files say. `consilium trail verify` says whether it is true.',
    )
    .action(async (name: string | undefined, options: { store?: string }, command: Command) => {
      const session = openSession(command);
      await withTrail(session, options.store, async (trail) => {
        if (name === undefined) {
          const names = await sessionsOf(trail);
          session.out.result(names, names.join('\n') || 'the trail is empty');
        } else await showSession(session.out, trail, name);
      });
    });
}

async function showSession(out: Output, trail: TrailSource, name: string): Promise<void> {
  const models: { number: number; id: string; manifest: Record<string, unknown> }[] = [];
  for await (const { key } of trail.list(buckets.models, `trail/${name}/`)) {
    const match = /\/(\d+)-([0-9a-f]{64})\/manifest\.json$/.exec(key);
    if (match === null) continue;
    const bytes = await readDocument(trail, buckets.models, key);
    models.push({
      number: Number(match[1]),
      id: match[2]!,
      manifest: JSON.parse(Buffer.from(bytes).toString('utf8')),
    });
  }
  if (models.length === 0)
    throw new ConsiliumError('TRAIL_NO_SESSION', `"${name}" has no models.`, { where: name });
  const rows = models.map(({ number, id, manifest }) => {
    const content = manifest.content as {
      contributions: {
        client: string;
        signed: { claim: { num_examples: number; data_set: { name: string } } };
      }[];
      metrics: Record<string, number>;
      created_at: string;
    };
    const sites = content.contributions.map((c) => `${c.client} (${c.signed.claim.num_examples})`).join(', ');
    return [
      number,
      id.slice(0, 12),
      content.created_at.slice(0, 19),
      formatMetrics(content.metrics),
      sites || 'seed',
    ];
  });
  out.result(models, table(['number', 'id', 'made at', 'metrics', 'contributions (examples)'], rows));
}

interface VerifyOptions {
  readonly key: string;
  readonly store?: string;
  readonly recompute: boolean;
  readonly siteKey?: string[];
}

function verifyCommand(): Command {
  return new Command('verify')
    .description('check every digest, signature and link of the trail, and recompute its models')
    .argument('[sessions...]', 'all if none is named')
    .requiredOption(
      '-k, --key <fingerprint>',
      'public key of the reducer, as you know it: never taken from the bucket',
    )
    .option('--store <place>', 'a folder or s3://key:secret@host:port, instead of the reducer')
    .option('--site-key <name=key>', 'public key of a site, as you know it (repeatable)', collect)
    .option('--no-recompute', 'do not aggregate the kept updates again')
    .addHelpText('after', '\nExample:\n  consilium trail verify --key UABC… --store .consilium/store')
    .action(async (names: string[], options: VerifyOptions, command: Command) => {
      const session = openSession(command);
      if (!publicKeySchema.safeParse(options.key).success) {
        throw new ConsiliumError('USAGE', `"${options.key}" is not a public key (U and 55 characters).`, {
          where: '--key',
        });
      }
      const siteKeys = parseSiteKeys(options.siteKey ?? []);
      await withTrail(session, options.store, async (trail) => {
        const all = names.length > 0 ? names : await sessionsOf(trail);
        if (all.length === 0) throw new ConsiliumError('TRAIL_NO_SESSION', 'The trail is empty.');
        const results: VerifyResult[] = [];
        for (const name of all) {
          const onModel = (number: number, total: number) =>
            session.out.progress(`${name}: model ${number} of ${total}`);
          const { key, recompute } = options;
          results.push(await verifySession(trail, name, { key, recompute, siteKeys, onModel }));
        }
        report(session.out, results);
      });
    });
}

function parseSiteKeys(texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text) => {
      const [name, key] = text.split('=');
      if (!name || key === undefined || !publicKeySchema.safeParse(key).success) {
        throw new ConsiliumError('USAGE', `"${text}" is not name=key.`, { where: '--site-key' });
      }
      return [name, key];
    }),
  );
}

function report(out: Output, results: readonly VerifyResult[]): void {
  for (const { session, models, recomputed, findings, orphans } of results) {
    const value = {
      session,
      ok: findings.length === 0,
      models: models.length,
      recomputed,
      findings: findings.map(({ error, number }) => ({ number, ...error.toBody() })),
      orphans,
    };
    const lines = [
      findings.length === 0
        ? `${session}: ${models.length} models verified, ${recomputed} recomputed bit by bit`
        : `${session}: ${findings.length} findings`,
      ...findings.map(({ error }) => errorText(error)),
      ...orphans.map((folder) => `  note: ${folder} was never committed; consilium trail gc removes it`),
    ];
    out.result(value, lines.join('\n'));
  }
  const first = results.flatMap((result) => result.findings)[0];
  if (first !== undefined) process.exitCode = first.error.exit;
}

function gcCommand(): Command {
  return new Command('gc')
    .description('remove objects that no model and no running session names (admin)')
    .option('--yes', 'remove them; without it they are only listed')
    .option('--min-age <hours>', 'spare younger ones', Number, 24)
    .action(async (options: { yes?: boolean; minAge: number }, command: Command) => {
      const { out, api } = openSession(command);
      const body = { dry_run: options.yes !== true, min_age_hours: options.minAge };
      const reply = await (await api()).post('/trail/gc', body, trailGcReplySchema);
      const bytes = reply.removed.reduce((sum, { size }) => sum + size, 0);
      const rows = reply.removed.map(({ bucket, key, size }) => [bucket, key, formatBytes(size)]);
      const verb = reply.dry_run ? 'would be removed (give --yes)' : 'removed';
      const total = `${rows.length} objects, ${formatBytes(bytes)} ${verb}`;
      out.result(
        reply,
        rows.length === 0 ? 'nothing to remove' : `${table(['bucket', 'key', 'size'], rows)}\n${total}`,
      );
    });
}
