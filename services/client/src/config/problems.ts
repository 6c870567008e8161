import { type ClientConfig, ConsiliumError, clientConfigSchema, isName, nearest } from '@consilium/protocol';
import { isMap, type KeyPath, type Layers, valueAt } from './layers.js';
import { keysAt, kindAt } from './schema-fields.js';

type Issue = NonNullable<ReturnType<typeof clientConfigSchema.safeParse>['error']>['issues'][number];

/** Fields whose value must not turn up in a message or a log. */
const SECRET = new Set(['token', 'proxy']);

/** What a field wants, where the schema's own words would not help a person. */
const WANTED: Readonly<Record<string, string>> = {
  url: 'the address of the reducer, such as https://consilium.example.org',
  name: 'a name for this site, of a-z, 0-9 and -',
  data: 'a map with path and name',
  'data.path': 'the folder with the training data',
  'data.name': 'what the model trail calls this data set',
  proxy: 'the address of an HTTP proxy, such as http://proxy.example.org:3128',
  'policy.allowed_signers': 'a list of public keys, one "- U…" a line',
  'policy.allowed_digests': 'a list of package digests, one "- sha256:…" a line',
};

interface Problem {
  readonly code: 'CLIENT_BAD_CONFIG' | 'CLIENT_UNKNOWN_KEY' | 'CLIENT_BAD_TOKEN';
  readonly where: string;
  readonly text: string;
}

/**
 * Checks the gathered values against the schema; optional keys that are empty count as left out.
 * @throws ConsiliumError CLIENT_UNKNOWN_KEY, CLIENT_BAD_TOKEN or CLIENT_BAD_CONFIG: the first problem
 *   gives code and place, the text names them all.
 */
export function checkConfig(layers: Layers): ClientConfig {
  const values = withoutNulls(layers.values);
  const result = clientConfigSchema.safeParse(values);
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => describe(issue, layers));
  // An unknown key is usually the cause of a missing one, so it comes first.
  problems.sort((a, b) => rank(a) - rank(b));
  const [first, ...more] = problems;
  if (first === undefined) throw new ConsiliumError('CLIENT_BAD_CONFIG', result.error.message);
  const rest = more.map((problem) => ` Also: ${problem.where}: ${problem.text}`);
  throw new ConsiliumError(first.code, first.text + rest.join(''), { where: first.where });
}

function rank(problem: Problem): number {
  return problem.code === 'CLIENT_UNKNOWN_KEY' ? 0 : 1;
}

function withoutNulls(map: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(map)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => [key, isMap(value) ? withoutNulls(value) : value]),
  );
}

function describe(issue: Issue, layers: Layers): Problem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey([...path, key], layers));
  }
  const value = valueAt(layers.values, path);
  const field = path.join('.');
  const where = layers.where(path);
  if (field === 'token') return [{ code: 'CLIENT_BAD_TOKEN', where, text: badToken(value) }];
  const wanted = wantedAt(path, issue);
  if (value === undefined || value === null) {
    const missing = value === null ? 'is empty' : 'is missing';
    return [{ code: 'CLIENT_BAD_CONFIG', where, text: `${field} ${missing}; expected ${wanted}.` }];
  }
  const found = SECRET.has(field) ? '' : `, found ${show(value)}`;
  const text = `${field}: expected ${wanted}${found}.${hintFor(path, value)}`;
  return [{ code: 'CLIENT_BAD_CONFIG', where, text }];
}

function unknownKey(path: KeyPath, layers: Layers): Problem {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const here = nearest(key, keysAt(parent));
  const nested = keysAt([]).find((top) => keysAt([top]).includes(key));
  const top = keysAt([]).includes(key) ? key : undefined;
  const elsewhere = parent.length === 0 ? nested && `${nested}.${key}` : top;
  const meant = here === undefined ? elsewhere : [...parent, here].join('.');
  const hint =
    meant === undefined ? ` Known keys here: ${keysAt(parent).join(', ')}.` : ` Did you mean ${meant}?`;
  return {
    code: 'CLIENT_UNKNOWN_KEY',
    where: layers.where(path),
    text: `There is no key ${path.join('.')}.${hint}`,
  };
}

function wantedAt(path: KeyPath, issue: Issue): string {
  const known = WANTED[path.join('.')];
  if (known !== undefined && issue.code !== 'too_big') return known;
  const { message } = issue;
  if (message.startsWith('expected ')) return message.slice('expected '.length);
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small')
    return `at ${issue.inclusive ? 'least' : 'a value above'} ${issue.minimum}`.replace(
      'at a value',
      'a value',
    );
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code === 'invalid_type' && issue.expected === 'int') return 'a whole number';
  if (issue.code === 'invalid_format' && path[1] === 'allowed_digests') {
    return 'sha256: and 64 hexadecimal digits';
  }
  const kinds = { text: 'text', number: 'a number', boolean: 'true or false', list: 'a list', map: 'a map' };
  const kind = kindAt(path);
  return kind === undefined ? 'text' : kinds[kind];
}

function hintFor(path: KeyPath, value: unknown): string {
  const kind = kindAt(path);
  if (kind === 'text' && (typeof value === 'number' || typeof value === 'boolean')) {
    return ' Put it in quotes.';
  }
  if (typeof value !== 'string') return '';
  if (kind === 'list') return ' Write it as a list, even for one entry.';
  if (path.join('.') === 'name') {
    const better = value
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .slice(0, 63)
      .replace(/^-+|-+$/g, '');
    if (isName(better)) return ` "${better}" would do.`;
  }
  return '';
}

function badToken(value: unknown): string {
  const wanted = 'expected a join token: cjt_ and 43 characters';
  if (value === undefined || value === null || value === '') return `token is empty; ${wanted}.`;
  if (typeof value !== 'string') return `token: ${wanted}, found ${typeof value}.`;
  if (value.startsWith('cat_'))
    return `token: ${wanted}; this is an API token (cat_…), for people and scripts.`;
  if (value.startsWith('eyJ')) return `token: ${wanted}; this is a JSON web token, as FEDn uses them.`;
  if (value.startsWith('cjt_')) return `token: ${wanted}, found ${value.length - 4} after cjt_.`;
  return `token: ${wanted}, found ${value.length} characters that do not start with cjt_.`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
