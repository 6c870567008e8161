export const TOKEN = `cjt_${'a'.repeat(43)}`;
export const KEY = `U${'A'.repeat(55)}`;
export const good = `url: https://consilium.example.org
name: hospital-a
token: ${TOKEN}
data:
  path: ./data
  name: breast-2024
`;

/** A file that must be refused, and what the error must say. */
interface Bad {
  readonly what: string;
  readonly text: string;
  readonly code: string;
  /** In `where`, after the file's path for `:line`. */
  readonly where?: RegExp;
  readonly detail: RegExp;
}

export const bad: readonly Bad[] = [
  { what: 'an empty file', text: '# nothing\n', code: 'CLIENT_BAD_CONFIG', detail: /empty/ },
  { what: 'a list', text: '- url\n', code: 'CLIENT_BAD_CONFIG', detail: /key: value/ },
  {
    what: 'broken YAML',
    text: `${good}policy: {network: none\nstate: x\n`,
    code: 'CLIENT_CONFIG_SYNTAX',
    where: /:[789]$/,
    detail: /./,
  },
  {
    what: 'a key given twice',
    text: `${good}name: other\n`,
    code: 'CLIENT_CONFIG_SYNTAX',
    where: /:7$/,
    detail: /unique/,
  },
  {
    what: 'a tab for indentation',
    text: good.replace('  path', '\tpath'),
    code: 'CLIENT_CONFIG_SYNTAX',
    where: /:5$/,
    detail: /[Tt]ab/,
  },
  { what: 'an alias to nothing', text: `${good}state: *x\n`, code: 'CLIENT_CONFIG_SYNTAX', detail: /alias/i },
  {
    what: 'no address',
    text: good.replace(/^url.*\n/, ''),
    code: 'CLIENT_BAD_CONFIG',
    detail: /url is missing; expected the address of the reducer/,
  },
  {
    what: 'an address without scheme',
    text: good.replace('https://', ''),
    code: 'CLIENT_BAD_CONFIG',
    where: /:1$/,
    detail: /url: expected .*https:/,
  },
  {
    what: 'a NATS address',
    text: good.replace('https', 'nats'),
    code: 'CLIENT_BAD_CONFIG',
    where: /:1$/,
    detail: /url: expected/,
  },
  {
    what: 'a name with capitals and blanks',
    text: good.replace('hospital-a', 'Hospital A'),
    code: 'CLIENT_BAD_CONFIG',
    where: /:2$/,
    detail: /"hospital-a" would do/,
  },
  {
    what: 'a name that is a number',
    text: good.replace('hospital-a', '17'),
    code: 'CLIENT_BAD_CONFIG',
    where: /:2$/,
    detail: /found 17\. Put it in quotes/,
  },
  {
    what: 'a truncated token',
    text: good.replace(TOKEN, 'cjt_abc'),
    code: 'CLIENT_BAD_TOKEN',
    where: /:3$/,
    detail: /found 3 after cjt_/,
  },
  {
    what: 'an API token instead of a join token',
    text: good.replace(TOKEN, TOKEN.replace('cjt', 'cat')),
    code: 'CLIENT_BAD_TOKEN',
    where: /:3$/,
    detail: /API token/,
  },
  {
    what: "FEDn's token",
    text: good.replace(TOKEN, 'eyJhbGciOi'),
    code: 'CLIENT_BAD_TOKEN',
    detail: /web token/,
  },
  {
    what: 'no data',
    text: good.slice(0, good.indexOf('data:')),
    code: 'CLIENT_BAD_CONFIG',
    detail: /data is missing; expected a map/,
  },
  {
    what: 'data as text',
    text: good.replace(/data:\n.*\n.*\n/, 'data: ./data\n'),
    code: 'CLIENT_BAD_CONFIG',
    where: /:4$/,
    detail: /data: expected a map with path and name, found "\.\/data"/,
  },
  {
    what: 'an unknown key close to a known one',
    text: `${good}polciy:\n  network: none\n`,
    code: 'CLIENT_UNKNOWN_KEY',
    where: /:7$/,
    detail: /no key polciy\. Did you mean policy\?/,
  },
  {
    what: 'an unknown nested key',
    text: `${good}policy:\n  allowed_signer: []\n`,
    code: 'CLIENT_UNKNOWN_KEY',
    where: /:8$/,
    detail: /Did you mean policy\.allowed_signers\?/,
  },
  {
    what: 'a key that belongs under policy',
    text: `${good}network: none\n`,
    code: 'CLIENT_UNKNOWN_KEY',
    where: /:7$/,
    detail: /Did you mean policy\.network\?/,
  },
  {
    what: 'a word that is no choice',
    text: `${good}policy:\n  isolation: bwrap\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:8$/,
    detail: /policy\.isolation: expected one of any, sandbox, found "bwrap"/,
  },
  {
    what: 'a signer that is no key',
    text: `${good}policy:\n  allowed_signers:\n    - ${KEY}\n    - someone\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:10$/,
    detail: /allowed_signers\.1: expected a public key/,
  },
  {
    what: 'one signer that is not in a list',
    text: `${good}policy:\n  allowed_signers: ${KEY}\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:8$/,
    detail: /Write it as a list/,
  },
  {
    what: 'a size without a number',
    text: `${good}policy:\n  memory: plenty\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:8$/,
    detail: /a size such as 4 GiB, found "plenty"/,
  },
  {
    what: 'a time of zero seconds',
    text: `${good}policy:\n  task_timeout_seconds: 0\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:8$/,
    detail: /a value above 0, found 0/,
  },
  {
    what: 'half a task at a time',
    text: `${good}parallel_tasks: 1.5\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:7$/,
    detail: /a whole number/,
  },
  {
    what: 'a switch that is a word',
    text: `${good}warm_worker: maybe\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:7$/,
    detail: /true or false/,
  },
  {
    what: 'a data folder that is not there',
    text: good.replace('./data', './nowhere'),
    code: 'CLIENT_DATA_MISSING',
    where: /:5$/,
    detail: /nowhere/,
  },
  {
    what: 'a data folder that is a file',
    text: good.replace('./data', './a-file'),
    code: 'CLIENT_DATA_MISSING',
    where: /:5$/,
    detail: /is a file/,
  },
  {
    what: 'a state folder that cannot be made',
    text: `${good}state: ./a-file/state\n`,
    code: 'CLIENT_STATE_UNWRITABLE',
    where: /:7$/,
    detail: /a-file\/state/,
  },
  {
    what: 'a state folder inside the data',
    text: `${good}state: ./data/state\n`,
    code: 'CLIENT_BAD_CONFIG',
    where: /:7$/,
    detail: /lie in each other/,
  },
  {
    what: 'a certificate file that is not there',
    text: `${good}ca_file: ca.pem\n`,
    code: 'CLIENT_CA_UNREADABLE',
    where: /:7$/,
    detail: /ca\.pem/,
  },
  {
    what: 'a certificate file without a certificate',
    text: `${good}ca_file: a-file\n`,
    code: 'CLIENT_CA_UNREADABLE',
    where: /:7$/,
    detail: /a-file/,
  },
];
