/** Where nats-server listens. Port -1 lets the system choose (see the ports file). */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface ServerConfigOptions {
  readonly client: ListenAddress;
  /** Left out: no WebSocket listener. */
  readonly websocket?: ListenAddress;
  /** For both listeners; without it both are plain, for loopback or behind a gateway. */
  readonly tls?: TlsFiles;
  /** Folder for streams and KV. */
  readonly storeDir: string;
  /** Folder of the account resolver. */
  readonly resolverDir: string;
  /** Folder into which the server writes its ports; nowhere when left out. */
  readonly portsDir?: string;
  readonly serverName: string;
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** Public key to JWT. */
  readonly accounts: Readonly<Record<string, string>>;
  /** Bytes; JetStream's own limits. */
  readonly maxMemory: number;
  readonly maxFile: number;
}

/** Largest message, bytes. Control messages are small; a session with many clients is the largest. */
const MAX_PAYLOAD = 1024 * 1024;

/** The text of nats-server.conf. It holds no secret: JWTs are public, seeds stay in their files. */
export function serverConfig(options: ServerConfigOptions): string {
  const preload = Object.entries(options.accounts).map(([key, jwt]) => `  ${key}: ${jwt}`);
  return `${[
    '# Written by Consilium at each start; changes are lost.',
    `server_name: ${quote(options.serverName)}`,
    `listen: ${quote(`${options.client.host}:${options.client.port}`)}`,
    ...tlsBlock(options.tls, ''),
    ...websocketBlock(options),
    `max_payload: ${MAX_PAYLOAD}`,
    '# A peer that vanished without a word is noticed within about a minute.',
    'ping_interval: "20s"',
    'ping_max: 2',
    'write_deadline: "10s"',
    ...(options.portsDir === undefined ? [] : [`ports_file_dir: ${quote(options.portsDir)}`]),
    'jetstream {',
    `  store_dir: ${quote(options.storeDir)}`,
    `  max_memory_store: ${options.maxMemory}`,
    `  max_file_store: ${options.maxFile}`,
    '}',
    `operator: ${options.operatorJwt}`,
    `system_account: ${options.systemAccount}`,
    'resolver {',
    '  type: full',
    `  dir: ${quote(options.resolverDir)}`,
    '  allow_delete: false',
    '  interval: "2m"',
    '}',
    'resolver_preload {',
    ...preload,
    '}',
  ].join('\n')}\n`;
}

function websocketBlock(options: ServerConfigOptions): string[] {
  const { websocket, tls } = options;
  if (websocket === undefined) return [];
  return [
    'websocket {',
    `  listen: ${quote(`${websocket.host}:${websocket.port}`)}`,
    ...(tls === undefined ? ['  no_tls: true'] : tlsBlock(tls, '  ')),
    '}',
  ];
}

function tlsBlock(tls: TlsFiles | undefined, indent: string): string[] {
  if (tls === undefined) return [];
  return [
    `${indent}tls {`,
    `${indent}  cert_file: ${quote(tls.certFile)}`,
    `${indent}  key_file: ${quote(tls.keyFile)}`,
    `${indent}}`,
  ];
}

function quote(text: string): string {
  return JSON.stringify(text);
}
