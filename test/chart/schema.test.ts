import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import {
  chart,
  kubeconform,
  kubernetesVersions,
  noHelm,
  noKubeconform,
  renderText,
  runHelm,
  schemasOf,
  valuesFile,
  valuesFiles,
} from './chart.js';

test('there are five example values files', () => {
  assert.equal(valuesFiles.length, 5);
});

describe('helm lint has nothing against', { skip: noHelm }, () => {
  for (const name of valuesFiles) {
    test(name, () => {
      const text = runHelm(['lint', '--strict', '--quiet', chart, '-f', valuesFile(name)]);
      assert.doesNotMatch(text, /\[(WARNING|ERROR)\]/);
    });
  }
});

for (const version of kubernetesVersions) {
  const schemas = schemasOf(version);
  const skip =
    noKubeconform !== false
      ? noKubeconform
      : schemas === undefined
        ? `needs schemas of Kubernetes ${version}: node scripts/kubernetes-schemas.mjs ${version}`
        : false;

  const check = (manifests: string) => {
    // cert-manager's own kind is not part of Kubernetes.
    const args = ['-strict', '-summary', '-output', 'json', '-skip', 'Certificate'];
    const location = `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
    const { stdout } = spawnSync(kubeconform!, [...args, '-schema-location', location, '-'], {
      input: manifests,
      encoding: 'utf8',
    });
    return JSON.parse(stdout) as {
      resources?: { kind: string; name: string; msg: string }[];
      summary: { valid: number; invalid: number; errors: number; skipped: number };
    };
  };

  describe(`Kubernetes ${version} knows every field of`, { skip }, () => {
    for (const name of valuesFiles) {
      test(name, () => {
        const { summary, resources = [] } = check(
          renderText(['--kube-version', version, '-f', valuesFile(name)]),
        );
        assert.deepEqual(
          resources
            .filter(({ msg }) => msg !== '')
            .map((wrong) => `${wrong.kind}/${wrong.name}: ${wrong.msg}`),
          [],
        );
        assert.ok(summary.valid > 20, `only ${summary.valid} manifests were checked`);
        assert.ok(summary.skipped <= 1);
      });
    }

    test('nothing else: a misspelt field, a wrong type and an unknown kind are found', () => {
      const good = renderText(['-s', 'templates/minio/statefulset.yaml']);
      assert.equal(check(good).summary.valid, 1);
      for (const [from, to] of [
        ['readOnlyRootFilesystem: true', 'readOnlyRootFileSystem: true'],
        ['replicas: 1', 'replicas: "one"'],
        ['kind: StatefulSet', 'kind: StatefullSet'],
      ] as const) {
        assert.ok(good.includes(from));
        const { summary } = check(good.replace(from, to));
        assert.equal(summary.invalid + summary.errors, 1, to);
      }
    });
  });
}

test('an older Kubernetes is refused with the version that is needed', { skip: noHelm }, () => {
  assert.throws(() => renderText(['--kube-version', '1.27.9']), /requires kubeVersion: >=1\.28/);
});
