import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCacheDir } from '@consilium/platform';
import { parseAllDocuments } from 'yaml';

// From test/dist/chart.
export const repository = fileURLToPath(new URL('../../..', import.meta.url));
export const chart = join(repository, 'helm/reducer');

/** A manifest, as loosely typed as YAML is. */
// biome-ignore lint/suspicious/noExplicitAny: the manifests' types are those of another project
export type Manifest = any;

function tool(name: string, variable: string): string | undefined {
  const given = process.env[variable];
  if (given !== undefined && given !== '') return given;
  const folder = defaultCacheDir();
  const found = existsSync(folder)
    ? readdirSync(folder).find((file) => file.startsWith(`${name}-v`))
    : undefined;
  return found === undefined ? undefined : join(folder, found);
}

export const helm = tool('helm', 'CONSILIUM_HELM');
export const kubeconform = tool('kubeconform', 'CONSILIUM_KUBECONFORM');
/** Option for `describe` and `test`. */
export const noHelm = helm === undefined ? 'needs helm: scripts/servers/helm.sh' : false;
export const noKubeconform =
  noHelm !== false
    ? noHelm
    : kubeconform === undefined
      ? 'needs kubeconform: scripts/servers/kubeconform.sh'
      : false;

/** The oldest Kubernetes that the chart supports, and a current one. */
export const kubernetesVersions = ['1.28.15', '1.34.4'];

/** Folder with the schemas that scripts/kubernetes-schemas.mjs made, if it did. */
export function schemasOf(version: string): string | undefined {
  const folder = join(dirname(defaultCacheDir()), 'kubernetes-schemas');
  const found = existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.startsWith(`v${version}-`))
        .sort()
        .at(-1)
    : undefined;
  return found === undefined ? undefined : join(folder, found);
}

export const valuesFiles = readdirSync(join(chart, 'ci'))
  .filter((name) => name.endsWith('.yaml'))
  .sort();

export function valuesFile(name: string): string {
  return join(chart, 'ci', name);
}

/** Standard output of helm. @throws Error with what helm printed */
export function runHelm(args: readonly string[], input?: string): string {
  return execFileSync(helm!, args, {
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
    maxBuffer: 64 * 2 ** 20,
  });
}

export function renderText(args: readonly string[] = [], input?: string): string {
  return runHelm(['template', 'alliance', chart, '--namespace', 'federation', ...args], input);
}

/** Manifests of the chart as `helm install alliance` makes them. `args` are further words for helm. */
export function render(args: readonly string[] = [], input?: string): Manifest[] {
  return parseAllDocuments(renderText(args, input))
    .map((document) => document.toJS())
    .filter((manifest) => manifest !== null);
}

/** What helm says when it refuses values. @throws Error when it does not refuse */
export function refusalOf(values: string): string {
  const args = ['template', 'alliance', chart, '-f', '-'];
  const { status, stderr } = spawnSync(helm!, args, { input: values, encoding: 'utf8' });
  if (status === 0) throw new Error(`helm took these values:\n${values}`);
  return stderr;
}

/** A pod template, or a pod, with the name of what it belongs to. */
export interface PodOf {
  readonly of: string;
  readonly kind: string;
  readonly metadata: Manifest;
  readonly spec: Manifest;
}

export function podsOf(manifests: readonly Manifest[]): PodOf[] {
  return manifests.flatMap(({ kind, metadata, spec }) => {
    const of = `${kind}/${metadata.name}`;
    if (kind === 'Pod') return [{ of, kind, metadata, spec }];
    const template = spec?.template;
    return template?.spec?.containers === undefined ? [] : [{ of, kind, ...template }];
  });
}

export function containersOf(pod: PodOf): Manifest[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
}

export function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  if (found === undefined) throw new Error(`no ${kind} is called ${name}`);
  return found;
}
