import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { containersOf, type Manifest, noHelm, podsOf, render, valuesFile, valuesFiles } from './chart.js';

/** What "restricted" allows, https://kubernetes.io/docs/concepts/security/pod-security-standards/ (and more). */
const allowedVolumes = ['configMap', 'emptyDir', 'projected', 'secret', 'persistentVolumeClaim'];

for (const name of valuesFiles) {
  describe(`with ${name}`, { skip: noHelm }, () => {
    const manifests = noHelm === false ? render(['-f', valuesFile(name)]) : [];
    const pods = podsOf(manifests);
    const containers = pods.flatMap((pod) =>
      containersOf(pod).map((container) => ({ at: `${pod.of}, ${container.name}`, pod, container })),
    );

    test('there are pods to look at', () => {
      assert.ok(pods.length >= 4);
      for (const { at, container } of containers) assert.ok(container.image.length > 0, at);
    });

    test('every pod runs as a numbered user that is not root, or as one that the cluster chooses', () => {
      for (const { of, spec } of pods) {
        assert.equal(spec.securityContext.runAsNonRoot, true, of);
        assert.equal(spec.securityContext.seccompProfile.type, 'RuntimeDefault', of);
        assert.notEqual(spec.securityContext.runAsUser, 0, of);
        if (name !== 'ingress.yaml') assert.ok(spec.securityContext.runAsUser > 0, of);
      }
    });

    test('no pod shares anything with its node', () => {
      for (const { of, spec } of pods) {
        for (const key of ['hostNetwork', 'hostPID', 'hostIPC']) assert.ok(!spec[key], `${of}: ${key}`);
        for (const volume of spec.volumes ?? []) {
          const [kind] = Object.keys(volume).filter((key) => key !== 'name');
          assert.ok(allowedVolumes.includes(kind!), `${of}: volume ${volume.name} is a ${kind}`);
        }
      }
      for (const { at, container } of containers) {
        for (const port of container.ports ?? []) assert.equal(port.hostPort, undefined, at);
      }
    });

    test('every container is without privileges, capabilities and a writable root file system', () => {
      for (const { at, container } of containers) {
        const security = container.securityContext;
        assert.equal(security.allowPrivilegeEscalation, false, at);
        assert.equal(security.privileged, false, at);
        assert.equal(security.readOnlyRootFilesystem, true, at);
        assert.equal(security.runAsNonRoot, true, at);
        assert.deepEqual(security.capabilities, { drop: ['ALL'] }, at);
        assert.equal(security.seccompProfile.type, 'RuntimeDefault', at);
      }
    });

    test('every container asks for resources and has limits', () => {
      for (const { at, container } of containers) {
        for (const kind of ['cpu', 'memory', 'ephemeral-storage']) {
          assert.ok(container.resources.requests[kind], `${at}: requests.${kind}`);
          assert.ok(container.resources.limits[kind], `${at}: limits.${kind}`);
        }
      }
    });

    test('every folder that a pod writes to has a limit', () => {
      for (const { of, spec } of pods) {
        for (const { name: volume, emptyDir } of spec.volumes ?? []) {
          if (emptyDir !== undefined) assert.ok(emptyDir.sizeLimit, `${of}: volume ${volume}`);
        }
      }
    });

    test('whatever keeps running has all three probes', () => {
      for (const { at, container, pod } of containers) {
        if (pod.kind === 'Job' || pod.kind === 'Pod') continue;
        for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
          const { port } = container[probe].httpGet;
          const ports = container.ports.map((known: Manifest) => known.name);
          assert.ok(ports.includes(port), `${at}: ${probe} asks port ${port}`);
        }
      }
    });

    test("no pod has a token of the cluster's API, except the two containers of the bootstrap that use it", () => {
      const withToken: string[] = [];
      for (const pod of pods) {
        assert.equal(pod.spec.automountServiceAccountToken, false, pod.of);
        const tokens = (pod.spec.volumes ?? [])
          .filter((volume: Manifest) => JSON.stringify(volume).includes('serviceAccountToken'))
          .map((volume: Manifest) => volume.name);
        for (const container of containersOf(pod)) {
          const mounted = (container.volumeMounts ?? []).some((mount: Manifest) =>
            tokens.includes(mount.name),
          );
          if (mounted) withToken.push(`${pod.of}, ${container.name}`);
        }
      }
      const expected = ['restore', 'publish'].map((step) => `Job/alliance-reducer-bootstrap, ${step}`);
      assert.deepEqual(withToken, name === 'existing.yaml' ? [] : expected);
    });

    test('every mounted volume is there, and every volume is mounted', () => {
      for (const pod of pods) {
        const claims = manifests
          .filter(({ kind, metadata }) => `${kind}/${metadata.name}` === pod.of)
          .flatMap(({ spec }) => spec.volumeClaimTemplates ?? []);
        const volumes = [
          ...(pod.spec.volumes ?? []).map((volume: Manifest) => volume.name),
          ...claims.map((claim: Manifest) => claim.metadata.name),
        ];
        const mounts = containersOf(pod).flatMap(({ volumeMounts = [] }) =>
          volumeMounts.map((mount: Manifest) => mount.name),
        );
        assert.deepEqual([...new Set(mounts)].sort(), [...volumes].sort(), pod.of);
      }
    });

    test('every pod belongs to a network policy of its own, on top of the one that closes everything', () => {
      const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy');
      const fits = (labels: Manifest, selector: Manifest) =>
        Object.entries(selector).every(([key, value]) => labels[key] === value);
      for (const pod of pods) {
        const own = policies.filter(({ spec }) => fits(pod.metadata.labels, spec.podSelector.matchLabels));
        assert.equal(own.length, 2, pod.of);
        for (const { spec } of own) assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress'], pod.of);
      }
    });

    test('every service and disruption budget has pods', () => {
      const fits = (selector: Manifest) =>
        pods.some(({ metadata }) =>
          Object.entries(selector).every(([key, value]) => metadata.labels[key] === value),
        );
      for (const { kind, metadata, spec } of manifests) {
        if (kind === 'Service') assert.ok(fits(spec.selector), `Service/${metadata.name}`);
        if (kind === 'PodDisruptionBudget') assert.ok(fits(spec.selector.matchLabels), metadata.name);
      }
      const budgets = manifests.filter(({ kind }) => kind === 'PodDisruptionBudget').length;
      const running = pods.filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet').length;
      assert.equal(budgets, running);
    });
  });
}

describe('images', { skip: noHelm }, () => {
  test('every one can be pinned by its digest and taken from another registry', () => {
    const digest = `sha256:${'c'.repeat(64)}`;
    const blocks = ['image', 'gateway.image', 'nats.image', 'store.minio.image'];
    const args = blocks.flatMap((block) => [
      '--set',
      `${block}.digest=${digest},${block}.registry=mirror.example.org`,
    ]);
    const all = podsOf(render(args)).flatMap((pod) => containersOf(pod).map(({ image }) => image as string));
    for (const image of all) {
      assert.ok(image.startsWith('mirror.example.org/') && image.endsWith(`@${digest}`), image);
    }
    assert.ok(new Set(all).size >= 4);
  });

  test('none has a tag that moves', () => {
    for (const pod of podsOf(render())) {
      for (const { image } of containersOf(pod)) assert.match(image, /:(?!latest)[^/]*\d/, pod.of);
    }
  });
});
