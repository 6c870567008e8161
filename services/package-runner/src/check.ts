import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConsiliumError, type ErrorCode } from '@consilium/protocol';
import { missingPrograms, readPackageYaml } from './build.js';
import { bundleProblems } from './bundle.js';
import { checkDefaults } from './config.js';
import { entryNames } from './contract.js';
import { listPackageFiles } from './package-files.js';
import { inspectPackageYaml, type PackageYaml, whereOf } from './package-yaml.js';

export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  readonly message: string;
  /** File, line, field. */
  readonly where?: string;
}

/** Everything that is wrong with a package folder. Nothing of it is run. Empty: it can be built. */
export async function checkPackage(folder: string): Promise<Finding[]> {
  const source = await readPackageYaml(folder).catch((error: unknown) => error);
  if (source instanceof ConsiliumError) return [fromError(source)];
  const { text, root } = source as { text: string; root: string };
  const { yaml, problems } = inspectPackageYaml(text);
  if (yaml === undefined) {
    return problems.map((problem) =>
      finding('error', 'PKG_BAD_YAML', problem.message, whereOf('package.yaml', problem)),
    );
  }
  return [
    ...configFindings(yaml),
    ...(await programFindings(root, yaml)),
    ...(await fileFindings(root)),
    ...entryFindings(yaml),
    ...(await readmeFinding(root)),
  ];
}

function configFindings(yaml: PackageYaml): Finding[] {
  const where = 'package.yaml, field config';
  try {
    return checkDefaults(yaml.config).map((message) =>
      finding('error', 'PKG_BAD_CONFIG_SCHEMA', message, where),
    );
  } catch (error) {
    if (error instanceof ConsiliumError) return [fromError(error)];
    throw error;
  }
}

async function programFindings(root: string, yaml: PackageYaml): Promise<Finding[]> {
  const missing = await missingPrograms(root, yaml);
  const findings = missing.map(({ entry, file }) =>
    finding('error', 'PKG_ENTRY_MISSING', `"${file}" does not exist.`, `package.yaml, field entry.${entry}`),
  );
  if (yaml.runtime !== 'node') return findings;
  const gone = new Set(missing.map(({ file }) => file));
  const present = entryNames.flatMap((name) => yaml.entry[name] ?? []).filter((file) => !gone.has(file));
  if (present.length === 0) return findings;
  return [...findings, ...(await bundleProblems(root, present)).map(fromError)];
}

async function fileFindings(root: string): Promise<Finding[]> {
  try {
    const { leftOut } = await listPackageFiles(root);
    return leftOut.map((path) =>
      finding('warning', 'PKG_BAD_FILE', 'Weights above 1 MiB are not packed.', path),
    );
  } catch (error) {
    if (error instanceof ConsiliumError) return [fromError(error)];
    throw error;
  }
}

function entryFindings(yaml: PackageYaml): Finding[] {
  const needed = (['train', 'validate'] as const).filter((name) => yaml.entry[name] === undefined);
  const findings = needed.map((name) =>
    finding('warning', 'PKG_NO_ENTRY', `Sessions need "${name}".`, 'package.yaml, field entry'),
  );
  if (yaml.entry.init !== undefined) return findings;
  const message = 'Without "init" a session must be given a seed model.';
  return [...findings, finding('warning', 'PKG_NO_ENTRY', message, 'package.yaml, field entry')];
}

async function readmeFinding(root: string): Promise<Finding[]> {
  const readme = await stat(join(root, 'README.md')).catch(() => undefined);
  if (readme?.isFile() === true) return [];
  return [
    finding(
      'warning',
      'PKG_BAD_FILE',
      'A README.md would tell hospitals what this does with their data.',
      'README.md',
    ),
  ];
}

function finding(severity: Finding['severity'], code: ErrorCode, message: string, where: string): Finding {
  return { severity, code, message, where };
}

function fromError(error: ConsiliumError): Finding {
  const where = error.where === undefined ? {} : { where: error.where };
  return { severity: 'error', code: error.code, message: error.message, ...where };
}
