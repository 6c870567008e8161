import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ConsiliumError } from '@consilium/protocol';
import { parseDocument } from 'yaml';
import { bundlePrograms } from './bundle.js';
import { type EntryName, entryNames } from './contract.js';
import { listPackageFiles } from './package-files.js';
import { type PackageYaml, parsePackageYaml } from './package-yaml.js';

export interface BuiltPackage {
  /** The folder that can be packed and run. */
  readonly folder: string;
  readonly yaml: PackageYaml;
  /** Relative paths, sorted. */
  readonly files: readonly string[];
  /** Weights above 1 MiB that were not taken along. */
  readonly leftOut: readonly string[];
}

/**
 * Makes a package folder ready to be packed and run: node programs are bundled to `<program>.mjs`,
 * all other files are copied (the sources too: a hospital reads what it runs), and `entry` and
 * `worker` in package.yaml are brought up to date. Works anywhere; the sdk need not be installed.
 * `outFolder` is replaced as a whole, and only when everything went well.
 *
 * @throws ConsiliumError PKG_NOT_A_PACKAGE, PKG_BAD_YAML, PKG_ENTRY_MISSING, PKG_BUILD_FAILED,
 *   PKG_NATIVE_ADDON, PKG_BAD_FILE, PKG_TOO_MANY_FILES, PKG_TOO_LARGE
 */
export async function buildPackage(folder: string, outFolder: string): Promise<BuiltPackage> {
  const { text, root } = await readPackageYaml(folder);
  const yaml = parsePackageYaml(text, join(folder, 'package.yaml'));
  const target = resolve(outFolder);
  const temporary = join(dirname(target), `.${basename(target)}-${randomBytes(6).toString('hex')}`);
  try {
    const listing = await listPackageFiles(root);
    await requirePrograms(root, yaml);
    await mkdir(temporary, { recursive: true });
    for (const { path } of listing.files) {
      if (path.endsWith('.node')) throw new ConsiliumError('PKG_NATIVE_ADDON', 'It is one.', { where: path });
      await mkdir(dirname(join(temporary, path)), { recursive: true });
      await copyFile(join(root, path), join(temporary, path));
    }
    if (yaml.runtime === 'node') await writeBundles(root, temporary, yaml, text);
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
    const built = parsePackageYaml(await readFile(join(target, 'package.yaml'), 'utf8'));
    const files = (await listPackageFiles(target)).files.map((file) => file.path);
    return { folder: target, yaml: built, files, leftOut: listing.leftOut };
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** @throws ConsiliumError PKG_NOT_A_PACKAGE */
export async function readPackageYaml(folder: string): Promise<{ text: string; root: string }> {
  try {
    const root = await realpath(folder);
    return { text: await readFile(join(root, 'package.yaml'), 'utf8'), root };
  } catch (cause) {
    throw new ConsiliumError('PKG_NOT_A_PACKAGE', 'It has no package.yaml.', { where: folder, cause });
  }
}

/** Files that package.yaml names and that are not there, with the entry that names them. */
export async function missingPrograms(
  root: string,
  yaml: PackageYaml,
): Promise<{ entry: EntryName; file: string }[]> {
  const missing: { entry: EntryName; file: string }[] = [];
  for (const entry of entryNames) {
    for (const file of programFiles(yaml, entry)) {
      const found = await stat(join(root, file)).catch(() => undefined);
      if (found?.isFile() !== true) missing.push({ entry, file });
    }
  }
  return missing;
}

function programFiles(yaml: PackageYaml, entry: EntryName): string[] {
  if (yaml.runtime === 'node') return yaml.entry[entry] === undefined ? [] : [yaml.entry[entry]];
  // An argument that looks like a program's file has to be one; anything else may be an option.
  const argv = yaml.entry[entry] ?? [];
  const looksLikeFile = /^(?!-)[\w./-]+\.(py|sh|r|jl|js|mjs|cjs|ts|pl|rb|lua)$/i;
  return argv.filter((argument, index) =>
    index === 0 ? argument.startsWith('./') : looksLikeFile.test(argument),
  );
}

async function requirePrograms(root: string, yaml: PackageYaml): Promise<void> {
  const [first] = await missingPrograms(root, yaml);
  if (first === undefined) return;
  const where = `package.yaml, field entry.${first.entry}`;
  throw new ConsiliumError('PKG_ENTRY_MISSING', `"${first.file}" does not exist.`, { where });
}

async function writeBundles(
  root: string,
  target: string,
  yaml: Extract<PackageYaml, { runtime: 'node' }>,
  text: string,
): Promise<void> {
  const entries = entryNames.flatMap((name) => {
    const program = yaml.entry[name];
    return program === undefined ? [] : [{ name, program }];
  });
  const bundle = await bundlePrograms(
    root,
    entries.map(({ program }) => program),
  );
  for (const [path, content] of bundle.files) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await writeFile(join(target, path), content);
  }
  const document = parseDocument(text);
  for (const { name, program } of entries) {
    document.setIn(['entry', name], bundle.programs.get(program)!.path);
  }
  const capable = entries.every(({ program }) => bundle.programs.get(program)!.exportsRun);
  document.set('worker', capable && yaml.worker !== false);
  await writeFile(join(target, 'package.yaml'), document.toString());
}
