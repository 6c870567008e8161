import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPackage, runnableFromFolder, verifyManifest } from '@consilium/package-runner';
import { ConsiliumError, packageDetailSchema, packageViewSchema } from '@consilium/protocol';
import { Command } from 'commander';
import { z } from 'zod';
import { openSession } from '../core/command.js';
import { formatBytes, table } from '../core/output.js';
import { publisherIdentity, publisherKeyFile } from '../keys/publisher.js';
import { publishPackage, signedPackage } from '../local/publish.js';
import { packageText } from '../local/session-file.js';
import { configRows } from '../package/config-table.js';
import { packageRunCommand } from './package-run.js';

interface KeyOptions {
  readonly keyFile?: string;
}

const keyFileText =
  'file of the publisher key (default: ~/.config/consilium/publisher.nk, made on first use)';

export function packageCommand(): Command {
  return new Command('package')
    .description('compute packages: build, check, try out, publish')
    .addCommand(buildCommand())
    .addCommand(checkCommand())
    .addCommand(packageRunCommand())
    .addCommand(publishCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(keyCommand());
}

function buildCommand(): Command {
  return new Command('build')
    .description('bundle a package folder and sign it: package.tgz and manifest.json')
    .argument('<folder>', 'the folder with package.yaml')
    .option('--out <folder>', 'where the two files go (default: <folder>/dist)')
    .option('--key-file <file>', keyFileText)
    .addHelpText('after', '\nExample:\n  consilium package build ./my-package --out ./release')
    .action(async (folder: string, options: KeyOptions & { out?: string }, self: Command) => {
      const { out } = openSession(self);
      const { manifest, archive } = await signedPackage(folder, await publisherIdentity(options.keyFile));
      const target = options.out ?? join(folder, 'dist');
      const files = [join(target, 'package.tgz'), join(target, 'manifest.json')] as const;
      try {
        await mkdir(target, { recursive: true });
        await writeFile(files[0], archive);
        await writeFile(files[1], `${JSON.stringify(manifest, null, 2)}\n`);
      } catch (cause) {
        throw new ConsiliumError('CLI_FILE', (cause as Error).message, { where: target, cause });
      }
      const { name, version, digest, size, publisher, files: members } = manifest.content;
      out.result(
        { name, version, digest, size, publisher, archive: files[0], manifest: files[1] },
        [
          `${name} ${version}: ${members.length} files, ${formatBytes(size)}, ${digest}`,
          `  signed by ${publisher}`,
          ...files.map((file) => `  ${file}`),
        ].join('\n'),
      );
    });
}

function checkCommand(): Command {
  return new Command('check')
    .description('find everything that is wrong with a package folder; nothing of it is run')
    .argument('<folder>', 'the folder with package.yaml')
    .addHelpText(
      'after',
      '\nExits with 8 when there are errors.\n\nExample:\n  consilium package check ./my-package',
    )
    .action(async (folder: string, _: unknown, self: Command) => {
      const { out } = openSession(self);
      const findings = await checkPackage(folder);
      const rows = findings.map(({ severity, code, where, message }) => [
        severity,
        code,
        where ?? folder,
        message,
      ]);
      const text =
        rows.length === 0 ? 'no findings: it can be built' : table(['', 'code', 'where', 'what'], rows);
      out.result({ folder, findings }, text);
      const errors = findings.filter(({ severity }) => severity === 'error').length;
      if (errors === 0) return;
      const detail = errors === 1 ? 'There is 1 error.' : `There are ${errors} errors.`;
      throw new ConsiliumError('CLI_CHECK_FAILED', detail, { where: folder });
    });
}

function publishCommand(): Command {
  return new Command('publish')
    .description('build a package folder, sign it, and register it with the reducer (engineer)')
    .argument('<folder>', 'the folder with package.yaml')
    .option('--key-file <file>', keyFileText)
    .addHelpText(
      'after',
      '\nA version never changes; publishing the same content again is no error.\n\nExample:\n  consilium package publish ./my-package',
    )
    .action(async (folder: string, options: KeyOptions, self: Command) => {
      const { out, api } = openSession(self);
      const client = await api();
      const signed = await signedPackage(folder, await publisherIdentity(options.keyFile));
      const view = await publishPackage(client, signed, (done, total) =>
        out.progress(`uploading  ${formatBytes(done)} of ${formatBytes(total)}`),
      ).finally(() => out.endProgress());
      const isNew = view.created_at === signed.manifest.content.created_at;
      const { name, version, digest, publisher } = view;
      out.result(
        { ...view, new: isNew },
        `${name} ${version} ${isNew ? 'is published' : `was published already, at ${view.created_at}`}\n  ${digest}\n  signed by ${publisher}`,
      );
    });
}

function listCommand(): Command {
  return new Command('list')
    .description('packages that the reducer knows')
    .addHelpText('after', '\nExample:\n  consilium package list')
    .action(async (_: unknown, self: Command) => {
      const { out, api } = openSession(self);
      const views = await (await api()).get('/packages', z.array(packageViewSchema));
      views.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
      const rows = views.map((view) => [
        view.name,
        view.version,
        formatBytes(view.size),
        view.created_at,
        view.publisher,
        view.digest.slice(0, 19),
      ]);
      const headings = ['name', 'version', 'size', 'published', 'publisher', 'digest'];
      out.result(views, rows.length === 0 ? 'no package is published yet' : table(headings, rows));
    });
}

function showCommand(): Command {
  return new Command('show')
    .description('entries, settings with defaults, and needs of a package folder or a published package')
    .argument('<package>', 'a folder, or name@version')
    .addHelpText(
      'after',
      '\nExamples:\n  consilium package show ./my-package\n  consilium package show breast-fna@1.0.0',
    )
    .action(async (reference: string, _: unknown, self: Command) => {
      const { out } = openSession(self);
      const facts = (await isFolder(reference))
        ? await localFacts(reference)
        : await publishedFacts(reference, self);
      const { name, version, runtime, entry, resources, config } = facts;
      const rows = configRows(config);
      out.result(
        facts,
        [
          `${name} ${version} (${runtime}): ${Object.keys(entry).join(', ')}`,
          `  needs ${Object.entries(resources)
            .map(([key, value]) => `${key} ${key === 'memory' ? formatBytes(Number(value)) : String(value)}`)
            .join(', ')}`,
          '',
          rows.length === 0 ? 'no settings' : table(['setting', 'type', 'default', ''], rows),
        ].join('\n'),
      );
    });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function localFacts(folder: string) {
  const { name, version, runtime, entry, resources, config } = await runnableFromFolder(folder);
  return { name, version, runtime, entry, resources, config };
}

async function publishedFacts(reference: string, self: Command) {
  const { name, version } = packageText(reference);
  if (version === undefined) {
    throw new ConsiliumError('USAGE', `"${reference}" is neither a folder nor name@version.`, {
      where: '<package>',
    });
  }
  const path = `/packages/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;
  const detail = await (await openSession(self).api()).get(path, packageDetailSchema);
  const { content } = verifyManifest(detail.manifest, 'anyone');
  const { runtime, entry, resources, config, publisher, digest, size, files, created_at } = content;
  return { name, version, runtime, entry, resources, config, publisher, digest, size, files, created_at };
}

function keyCommand(): Command {
  return new Command('key')
    .description('your public publisher key, for policy.allowed_signers of client.yaml; made on first use')
    .option('--key-file <file>', keyFileText)
    .addHelpText('after', '\nExample:\n  consilium package key')
    .action(async (options: KeyOptions, self: Command) => {
      const { publicKey } = await publisherIdentity(options.keyFile);
      openSession(self).out.result({ key: publicKey, file: publisherKeyFile(options.keyFile) }, publicKey);
    });
}
