import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { diffModels, parseWeights, weightedMean } from '@consilium/aggregation';
import { downloadToFile } from '@consilium/platform';
import { ConsiliumError, type ModelView, modelDownloadSchema, modelViewSchema } from '@consilium/protocol';
import { Command } from 'commander';
import { fetch } from 'undici';
import { z } from 'zod';
import type { ApiClient } from '../core/api-client.js';
import { collect, openSession } from '../core/command.js';
import { formatBytes, formatMetrics, table } from '../core/output.js';
import { checkSums, withFiles, writeStream } from '../local/weights-file.js';

const refHelp = 'an id or the beginning of one, or <session>/latest, <session>/best, <session>/<number>';

export function modelCommand(): Command {
  return new Command('model')
    .description('the models of the trail, and npz files')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(downloadCommand())
    .addCommand(averageCommand())
    .addCommand(diffCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('the committed models of a session')
    .argument('<session>')
    .addHelpText('after', '\nExample:\n  consilium model list breast-1')
    .action(async (session: string, _: unknown, command: Command) => {
      const { out, api } = openSession(command);
      const models = await (await api()).get(
        `/sessions/${encodeURIComponent(session)}/models`,
        z.array(modelViewSchema),
      );
      const rows = models.map((m) => [
        m.number,
        m.id.slice(0, 12),
        m.contributions,
        m.num_examples,
        formatBytes(m.weights.size),
        formatMetrics(m.metrics),
        [m.latest ? 'latest' : '', m.best ? 'best' : ''].filter(Boolean).join(', '),
      ]);
      out.result(models, table(['number', 'id', 'sites', 'examples', 'size', 'metrics', ''], rows));
    });
}

async function find(api: ApiClient, ref: string) {
  return api.get(`/models?ref=${encodeURIComponent(ref)}`, modelDownloadSchema);
}

function showCommand(): Command {
  return new Command('show')
    .description('one model and its manifest')
    .argument('<model>', refHelp)
    .addHelpText('after', '\nExample:\n  consilium model show breast-1/best')
    .action(async (ref: string, _: unknown, command: Command) => {
      const { out, api } = openSession(command);
      const client = await api();
      const { model, manifest_url } = await find(client, ref);
      const answer = await fetch(manifest_url, { dispatcher: client.dispatcher });
      if (!answer.ok)
        throw new ConsiliumError('CLI_BAD_ANSWER', `HTTP ${answer.status}`, { where: manifest_url });
      const manifest: unknown = await answer.json();
      out.result({ ...model, manifest }, `${describe(model)}\n\n${JSON.stringify(manifest, null, 2)}`);
    });
}

function describe(model: ModelView): string {
  return [
    `model     ${model.session}/${model.number}  ${model.id}`,
    `made of   ${model.contributions} contributions, ${model.num_examples} examples`,
    `metrics   ${formatMetrics(model.metrics) || 'none'}`,
    `weights   ${model.weights.key} (${formatBytes(model.weights.size)})`,
  ].join('\n');
}

function downloadCommand(): Command {
  return new Command('download')
    .description('weights.npz and manifest.json of a model')
    .argument('<model>', refHelp)
    .option('-o, --out <folder>', 'where to put them; <session>-<number> if left out')
    .addHelpText('after', '\nExample:\n  consilium model download breast-1/best --out best')
    .action(async (ref: string, options: { out?: string }, command: Command) => {
      const { out, api } = openSession(command);
      const client = await api();
      const { model, weights_url, manifest_url } = await find(client, ref);
      const folder = options.out ?? `${model.session}-${model.number}`;
      await mkdir(folder, { recursive: true });
      const weights = join(folder, 'weights.npz');
      await downloadToFile({ url: weights_url }, weights, {
        digest: model.weights.digest,
        size: model.weights.size,
        dispatcher: client.dispatcher,
        onProgress: (done, total) => out.progress(`weights ${formatBytes(done)} of ${formatBytes(total)}`),
      });
      const manifest = join(folder, 'manifest.json');
      const answer = await fetch(manifest_url, { dispatcher: client.dispatcher });
      if (!answer.ok || answer.body === null) {
        throw new ConsiliumError('CLI_BAD_ANSWER', `HTTP ${answer.status}`, { where: manifest_url });
      }
      await writeStream(manifest, answer.body as AsyncIterable<Uint8Array>);
      out.result({ model, weights, manifest }, `${weights}\n${manifest}`);
    });
}

function averageCommand(): Command {
  return new Command('average')
    .description('the weighted mean of npz files, by the code of the combiner: exact, whatever the order')
    .argument('<files...>', 'npz files of one model')
    .requiredOption('-o, --out <file>', 'npz file to write')
    .option(
      '-w, --weight <n>',
      'weight of each file in turn, such as its number of examples (repeatable)',
      collect,
    )
    .addHelpText('after', '\nExample:\n  consilium model average a.npz b.npz -w 120 -w 80 -o mean.npz')
    .action(async (files: string[], options: { out: string; weight?: string[] }, command: Command) => {
      const { out } = openSession(command);
      const texts = options.weight ?? files.map(() => '1');
      if (texts.length !== files.length) {
        const detail = `There are ${files.length} files and ${texts.length} weights.`;
        throw new ConsiliumError('USAGE', detail, {
          where: '--weight',
          fix: 'Give one weight a file, or none.',
        });
      }
      const weights = parseWeights(texts);
      await withFiles(files, async (sources) => {
        const updates = sources.map((source, i) => ({
          source,
          weight: weights[i]!,
          label: basename(files[i]!),
        }));
        for (const [i, source] of sources.entries()) await checkSums(source, files[i]!);
        await writeStream(options.out, weightedMean(updates));
      });
      out.result({ out: options.out, files, weights }, `${options.out}: mean of ${files.length} files`);
    });
}

function diffCommand(): Command {
  return new Command('diff')
    .description('how two npz files of one model differ, tensor by tensor')
    .argument('<a>')
    .argument('<b>')
    .addHelpText('after', '\nExample:\n  consilium model diff 3/weights.npz 4/weights.npz')
    .action(async (a: string, b: string, _: unknown, command: Command) => {
      const { out } = openSession(command);
      const difference = await withFiles([a, b], async ([left, right]) => diffModels(left!, right!));
      const rows = difference.tensors.map((t) => [
        t.name,
        t.dtype,
        t.shape.join('×') || 'scalar',
        t.equal ? 'equal' : t.maxAbs.toExponential(3),
        t.equal ? '' : t.l2.toExponential(3),
        t.equal ? '' : t.relative.toExponential(3),
      ]);
      const headings = ['tensor', 'dtype', 'shape', 'largest', 'L2', 'relative'];
      out.result(difference, `${table(headings, rows)}\n${difference.equal ? 'equal' : 'different'}`);
      if (!difference.equal) process.exitCode = 1;
    });
}
