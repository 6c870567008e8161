import { type ClientConfig, ConsiliumError, clientConfigSchema } from '@consilium/protocol';

/** What goes into a new site's client.yaml. */
export interface ClientYaml {
  readonly url: string;
  readonly name: string;
  readonly token: string;
  readonly tokenExpiresAt: string;
  readonly dataPath: string;
  readonly dataName: string;
  readonly reducerKey: string;
  readonly signers: readonly string[];
  /** Where the signers come from, for the comment. */
  readonly signersFrom: 'given' | 'own' | 'nobody';
}

const signerComment: Readonly<Record<ClientYaml['signersFrom'], string>> = {
  given: 'Publishers whose packages may run on this data. Take out whom you do not trust.',
  own: 'Publishers whose packages may run on this data: the operator who made this file. Take it out, or add others.',
  nobody:
    'Publishers whose packages may run on this data. Nobody yet: add their keys (consilium package key shows them).',
};

/** The commented client.yaml of a new site. */
export function clientYaml(site: ClientYaml): string {
  const signers =
    site.signers.length === 0
      ? '  allowed_signers: []'
      : ['  allowed_signers:', ...site.signers.map((key) => `    - ${key}`)].join('\n');
  return `# Configuration of one site. Start it with: consilium client -i client.yaml
# Relative paths are relative to the folder of this file. All keys: docs/reference/client-yaml.md

# The one address of the alliance; nothing else has to be opened, and nothing inbound.
url: ${quoted(site.url)}
name: ${site.name}

# One-time join token, good until ${site.tokenExpiresAt}. Not needed any more once this site has joined.
token: ${site.token}

data:
  # The folder with the training data. Packages see it read-only; it never leaves the site.
  path: ${quoted(site.dataPath)}
  # What the model trail calls this data set.
  name: ${quoted(site.dataName)}

# This site's key, its cache, and its audit log. Keep it: the key is made here and exists nowhere else.
state: ./consilium-state

# The reducer that this site trusts; tasks of any other are refused.
reducer_key: ${site.reducerKey}

policy:
  # ${signerComment[site.signersFrom]}
${signers}
  # any: take the isolation that this machine gives, and say which. sandbox: refuse tasks without bubblewrap.
  isolation: any
  # Packages get no network.
  network: none

# auto: a GPU is used where there is one. cpu: never. required: refuse to start without.
accelerator: auto
`;
}

/** YAML reads JSON strings as they are. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

/**
 * Whether such a file would be accepted, before a token is made for it.
 * @throws USAGE naming the option
 */
export function checkClientYaml(
  site: Pick<ClientYaml, 'url' | 'name' | 'dataPath' | 'dataName' | 'reducerKey' | 'signers'>,
): void {
  const config: Partial<ClientConfig> | object = {
    url: site.url,
    name: site.name,
    data: { path: site.dataPath, name: site.dataName },
    reducer_key: site.reducerKey,
    policy: { allowed_signers: site.signers },
  };
  const result = clientConfigSchema.safeParse(config);
  const issue = result.error?.issues[0];
  if (issue === undefined) return;
  const field = issue.path.map(String).join('.');
  const option = Object.entries(optionOf).find(([start]) => field.startsWith(start))?.[1] ?? field;
  throw new ConsiliumError('USAGE', `${issue.message}.`, { where: option });
}

const optionOf: Readonly<Record<string, string>> = {
  name: '--name',
  'data.path': '--data',
  'data.name': '--data-name',
  'policy.allowed_signers': '--signer',
};
