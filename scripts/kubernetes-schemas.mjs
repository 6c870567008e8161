// Makes JSON schemas for kubeconform from Kubernetes' own OpenAPI description, and prints their folder.
//   node scripts/kubernetes-schemas.mjs 1.34.4
// The description is part of the Go module k8s.io/kubernetes, so it comes through Go's module proxy and its checksum
// database; nothing is fetched a second time. Strict: a field that Kubernetes does not know is an error.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/** Changes with what this file makes, so that an old result is not taken for a new one. */
const edition = 1;

const version = process.argv[2];
if (!/^1\.\d+\.\d+$/.test(version ?? '')) {
  console.error('usage: node scripts/kubernetes-schemas.mjs 1.34.4');
  process.exit(2);
}
const cache = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'consilium',
  'kubernetes-schemas',
);
const target = join(cache, `v${version}-${edition}`);
if (!existsSync(target)) {
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, '.schemas-'));
  try {
    writeSchemas(description(), work);
    // A rename within one folder: a second run at the same time sees all files or none.
    if (!existsSync(target)) renameSync(work, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
console.log(target);

/** The OpenAPI 2 description of this version. */
function description() {
  // Outside of any module, or a go.mod around would be asked.
  const folder = mkdtempSync(join(tmpdir(), 'consilium-schemas-'));
  try {
    const text = execFileSync('go', ['mod', 'download', '-json', `k8s.io/kubernetes@v${version}`], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return JSON.parse(readFileSync(join(JSON.parse(text).Dir, 'api/openapi-spec/swagger.json'), 'utf8'));
  } catch (error) {
    console.error(
      `kubernetes-schemas: could not get k8s.io/kubernetes v${version} with go: ${error.message}`,
    );
    process.exit(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One file a kind, named as kubeconform's '{{.ResourceKind}}{{.KindSuffix}}.json' asks for it. */
function writeSchemas({ definitions }, folder) {
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, kind, version: api } of definition['x-kubernetes-group-version-kind'] ?? []) {
      // Kinds that every group has (DeleteOptions, WatchEvent) are no manifests.
      if (definition.properties?.metadata === undefined) continue;
      const suffix = [...(group === '' ? [] : [group.split('.')[0]]), api].map((part) => `-${part}`).join('');
      const used = {};
      collect(name, definitions, used);
      const own = used[name];
      own.properties.apiVersion = { enum: [group === '' ? api : `${group}/${api}`] };
      own.properties.kind = { enum: [kind] };
      own.required = [...new Set([...(own.required ?? []), 'apiVersion', 'kind'])];
      const schema = { $ref: `#/definitions/${name}`, definitions: used };
      writeFileSync(join(folder, `${kind.toLowerCase()}${suffix}.json`), JSON.stringify(schema));
    }
  }
}

/** Adds the definition and all that it refers to, as JSON schema. */
function collect(name, definitions, used) {
  if (used[name] !== undefined) return;
  used[name] = {};
  used[name] = convert(structuredClone(definitions[name]), (other) => collect(other, definitions, used));
  // What OpenAPI 2 cannot say: a quantity may be a number.
  if (name.endsWith('.api.resource.Quantity')) used[name] = { type: ['string', 'number'] };
}

function convert(schema, refer) {
  const { $ref, type, format, properties, items, additionalProperties, required } = schema;
  if ($ref !== undefined) {
    refer($ref.replace('#/definitions/', ''));
    return { $ref };
  }
  if (format === 'int-or-string' || schema['x-kubernetes-int-or-string'])
    return { type: ['string', 'integer'] };
  const result = { ...(type === undefined ? {} : { type }), ...(required === undefined ? {} : { required }) };
  if (schema.enum !== undefined) result.enum = schema.enum;
  if (items !== undefined) result.items = convert(items, refer);
  if (typeof additionalProperties === 'object')
    result.additionalProperties = convert(additionalProperties, refer);
  if (properties !== undefined) {
    result.properties = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, convert(value, refer)]),
    );
    result.additionalProperties ??= false;
  }
  return result;
}
