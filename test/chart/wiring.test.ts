import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { combinerConfigSchema } from '@consilium/combiner';
import { readServiceConfigWithEnvironment } from '@consilium/platform';
import { reducerConfigSchema } from '@consilium/reducer';
import { parse } from 'yaml';
import {
  chart,
  containersOf,
  find,
  type Manifest,
  noHelm,
  podsOf,
  render,
  runHelm,
  valuesFile,
  valuesFiles,
} from './chart.js';

/** Environment of a container as its pod number 2 has it, with every mounted secret as a file in `folder`. */
function environmentOf(container: Manifest, folder: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { name, value, valueFrom } of container.env) {
    const isIndex = valueFrom?.fieldRef?.fieldPath === "metadata.labels['apps.kubernetes.io/pod-index']";
    const text = isIndex ? '2' : String(value);
    env[name] = text.replaceAll(/\$\((\w+)\)/g, (_, other: string) => env[other] ?? `$(${other})`);
    // Only these are files of which the configuration takes the content.
    if (/(?:ACCESS_KEY|SECRET_KEY|ACCOUNT|HASH|CA)_FILE$/.test(name) && !name.endsWith('NATS__CA_FILE')) {
      const file = join(folder, name);
      writeFileSync(file, name.includes('HASH') ? 'a'.repeat(64) : 'content');
      env[name] = file;
    }
  }
  return env;
}

for (const name of valuesFiles) {
  describe(`with ${name}`, { skip: noHelm }, () => {
    test('the services understand every variable that the chart sets', async () => {
      const manifests = render(['-f', valuesFile(name)]);
      const folder = mkdtempSync(join(tmpdir(), 'consilium-chart-'));
      try {
        const configOf = (
          service: string,
          schema: typeof reducerConfigSchema | typeof combinerConfigSchema,
        ) => {
          const set = `alliance-reducer${service === 'reducer' ? '' : `-${service}`}`;
          const [container] = find(manifests, 'StatefulSet', set).spec.template.spec.containers;
          const { CONSILIUM_SECRETS_DIR: _, ...env } = environmentOf(container, folder);
          return readServiceConfigWithEnvironment<typeof schema>(schema, undefined, env) as Promise<Manifest>;
        };
        const reducer = await configOf('reducer', reducerConfigSchema);
        assert.equal(reducer.reducer, 'reducer-2');
        assert.equal(reducer.nats.creds_file, '/tmp/consilium-secrets/reducer-2.creds');
        assert.match(reducer.nats.client_servers[0], /^wss?:\/\//);
        assert.equal(reducer.store.kind, 's3');
        const combiner = await configOf('combiner', combinerConfigSchema);
        assert.equal(combiner.combiner, 'combiner-2');
        assert.deepEqual(combiner.nats.servers, reducer.nats.servers);
        assert.deepEqual(combiner.store, reducer.store);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });

    test('every Secret that a pod needs is one that was given or one that the bootstrap makes', () => {
      const manifests = render(['-f', valuesFile(name)]);
      const made = JSON.stringify(manifests.filter(({ kind }) => kind === 'Job').map(({ spec }) => spec));
      const texts = podsOf(manifests).map(({ spec }) => JSON.stringify(spec));
      const used = texts.flatMap((text) =>
        [...text.matchAll(/"secret(?:Name":|":\{[^}]*?"name":|KeyRef":\{"name":)"([^"]+)"/g)].map(
          (match) => match[1]!,
        ),
      );
      assert.ok(used.length > 0);
      const values = readFileSync(valuesFile(name), 'utf8');
      for (const secret of new Set(used)) {
        const isMade = made.includes(`\\"${secret}\\"`) || secret === 'alliance-reducer-tls';
        const isGiven = new RegExp(`: ${secret}(?![\\w-])`).test(values);
        assert.ok(isMade !== isGiven, `${secret}: made ${isMade}, given ${isGiven}`);
      }
    });
  });
}

describe('upgrades', { skip: noHelm }, () => {
  test('a new release of the chart or image restarts neither NATS nor MinIO', () => {
    const before = render();
    const after = render(['--set', 'image.tag=9.9.9']);
    for (const name of ['alliance-reducer-nats', 'alliance-reducer-minio']) {
      const template = (manifests: readonly Manifest[]) => find(manifests, 'StatefulSet', name).spec.template;
      assert.deepEqual(template(after), template(before));
      assert.doesNotMatch(JSON.stringify(template(before)), /helm\.sh\/chart|app\.kubernetes\.io\/version/);
    }
  });

  test('volumes outlive the release, and no Secret belongs to helm', () => {
    const manifests = render();
    for (const name of ['alliance-reducer-nats', 'alliance-reducer-minio']) {
      const { persistentVolumeClaimRetentionPolicy: kept } = find(manifests, 'StatefulSet', name).spec;
      assert.deepEqual(kept, { whenDeleted: 'Retain', whenScaled: 'Retain' });
    }
    assert.deepEqual(
      manifests.filter(({ kind }) => kind === 'Secret' || kind === 'PersistentVolumeClaim'),
      [],
    );
  });

  test('what selects pods has nothing that changes with a release', () => {
    for (const { kind, metadata, spec } of render()) {
      if (kind !== 'StatefulSet' && kind !== 'Deployment') continue;
      const keys = ['component', 'instance', 'name'].map((key) => `app.kubernetes.io/${key}`);
      assert.deepEqual(Object.keys(spec.selector.matchLabels).sort(), keys, metadata.name);
    }
  });

  test('the autoscaler alone decides how many combiners there are, where it is on', () => {
    const replicas = (args: string[]) =>
      find(render(args), 'StatefulSet', 'alliance-reducer-combiner').spec.replicas;
    assert.equal(replicas([]), undefined);
    assert.equal(replicas(['--set', 'combiner.autoscaling.enabled=false,combiner.replicas=3']), 3);
  });
});

describe('who reaches whom', { skip: noHelm }, () => {
  const from = (manifests: readonly Manifest[], component: string, port: number | string): string[] =>
    find(manifests, 'NetworkPolicy', `alliance-reducer-${component}`)
      .spec.ingress.filter((rule: Manifest) => rule.ports.some((known: Manifest) => known.port === port))
      .flatMap((rule: Manifest) => rule.from ?? [{ everybody: true }])
      .map(
        (peer: Manifest) =>
          peer.podSelector?.matchLabels['app.kubernetes.io/component'] ?? JSON.stringify(peer),
      )
      .sort();

  test('NATS: services on the client port, the gateway on the WebSocket, its own on the routes, nobody else', () => {
    const manifests = render();
    assert.deepEqual(from(manifests, 'nats', 4222), ['combiner', 'reducer']);
    assert.deepEqual(from(manifests, 'nats', 9222), ['gateway']);
    assert.deepEqual(from(manifests, 'nats', 6222), ['nats']);
  });

  test('the store: services, the gateway and its own job; never its console', () => {
    const manifests = render();
    assert.deepEqual(from(manifests, 'minio', 9000), ['combiner', 'gateway', 'reducer', 'store-setup']);
    assert.deepEqual(from(manifests, 'minio', 9001), []);
  });

  test('everybody reaches the gateway, unless values say who', () => {
    assert.deepEqual(from(render(), 'gateway', 'public'), ['{"everybody":true}']);
    const only = ['--set-json', 'networkPolicy.gatewayFrom=[{"ipBlock":{"cidr":"192.0.2.0/24"}}]'];
    assert.deepEqual(
      from(render(only), 'gateway', 'public'),
      ['test', '{"ipBlock":{"cidr":"192.0.2.0/24"}}'].sort(),
    );
  });
});

describe('scripts', { skip: noHelm }, () => {
  test('the shell and JavaScript that pods run can be parsed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'consilium-chart-'));
    try {
      let seen = 0;
      for (const { kind, data } of render()) {
        if (kind !== 'ConfigMap') continue;
        for (const [file, text] of Object.entries(data as Record<string, string>)) {
          const path = join(folder, file);
          writeFileSync(path, text);
          const [command, ...args] = file.endsWith('.sh') ? ['sh', '-n'] : [process.execPath, '--check'];
          if (!/\.(sh|mjs)$/.test(file)) continue;
          const { status, stderr } = spawnSync(command!, [...args, path], { encoding: 'utf8' });
          assert.equal(status, 0, stderr);
          seen += 1;
        }
      }
      assert.equal(seen, 4);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('commands and ports of probes fit the role that the image is given', () => {
    const [reducer] = containersOf(podsOf(render(['-s', 'templates/reducer/statefulset.yaml']))[0]!);
    assert.deepEqual(reducer.args, ['reducer']);
    assert.equal(reducer.ports[0].containerPort, 8080);
    const [combiner] = containersOf(podsOf(render(['-s', 'templates/combiner/statefulset.yaml']))[0]!);
    assert.deepEqual(combiner.args, ['combiner']);
    assert.equal(combiner.ports[0].containerPort, 8081);
  });

  test('the notes print how to read the first admin token, and ask for it where nobody made one', () => {
    assert.match(notes([]), /get secret alliance-reducer-admin-token -o jsonpath='\{\.data\.token\}'/);
    assert.match(notes([]), /port-forward service\/alliance-reducer-gateway 8080:80/);
    const existing = notes(['-f', valuesFile('existing.yaml')]);
    assert.doesNotMatch(existing, /admin-token|port-forward/);
    assert.match(existing, /hash you put into Secret alliance-reducer\b/);
    assert.match(notes(['-f', valuesFile('single-node.yaml')]), /WARNING: allowInsecurePublicUrl/);
  });
});

/** What `helm install` prints: helm shows notes with a cluster only, so they are rendered as if they were a manifest. */
function notes(args: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'consilium-chart-'));
  try {
    const copy = join(folder, 'reducer');
    cpSync(chart, copy, { recursive: true });
    const text = readFileSync(join(copy, 'templates/NOTES.txt'), 'utf8');
    rmSync(join(copy, 'templates/NOTES.txt'));
    const wrapped = `{{- define "notes" }}${text}{{ end }}\nkind: Notes\ntext: {{ include "notes" . | toJson }}\n`;
    writeFileSync(join(copy, 'templates/notes.yaml'), wrapped);
    const rendered = runHelm(['template', 'alliance', copy, '-s', 'templates/notes.yaml', ...args]);
    return parse(rendered).text;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
