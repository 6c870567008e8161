import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { noHelm, refusalOf } from './chart.js';

interface Case {
  readonly what: string;
  readonly values: string;
  /** What the message must name. */
  readonly says: readonly RegExp[];
}

const refused: Case[] = [
  { what: 'a misspelt key', values: 'reducr: { replicas: 2 }', says: [/reducr/] },
  { what: 'a misspelt nested key', values: 'nats: { replica: 3 }', says: [/nats/, /replica\b/] },
  {
    what: 'no reducer',
    values: 'reducer: { replicas: 0 }',
    says: [/reducer.replicas/, /minimum|>= 1|less/i],
  },
  { what: 'half a reducer', values: 'reducer: { replicas: 1.5 }', says: [/reducer.replicas/, /integer/] },
  {
    what: 'more reducers than credentials',
    values: 'reducer: { replicas: 10 }',
    says: [/reducer.replicas/, /9/],
  },
  {
    what: 'an even number of NATS servers',
    values: 'nats: { replicas: 2 }',
    says: [/nats.replicas/, /1.*3.*5/s],
  },
  {
    what: 'a public URL with a path',
    values: 'publicUrl: https://x.example.org/fl',
    says: [/publicUrl/, /pattern/],
  },
  {
    what: 'a public URL without a scheme',
    values: 'publicUrl: x.example.org',
    says: [/publicUrl/, /pattern/],
  },
  { what: 'root', values: 'reducer: { runAsUser: 0 }', says: [/reducer.runAsUser/, /minimum|>= 1|less/i] },
  { what: 'a user by name', values: 'combiner: { runAsUser: app }', says: [/combiner.runAsUser/, /integer/] },
  {
    what: 'an image digest that is a tag',
    values: 'image: { digest: v1 }',
    says: [/image.digest/, /sha256/],
  },
  {
    what: 'an unknown pull policy',
    values: 'image: { pullPolicy: Sometimes }',
    says: [/pullPolicy/, /IfNotPresent/],
  },
  { what: 'an unknown log level', values: 'combiner: { logLevel: loud }', says: [/logLevel/, /debug/] },
  {
    what: 'a container without a memory limit',
    values: 'combiner: { resources: { limits: { memory: null } } }',
    says: [/combiner.resources.limits/, /memory/],
  },
  {
    what: 'a size without a unit',
    values: 'store: { minio: { persistence: { size: 50 } } }',
    says: [/persistence.size/],
  },
  { what: 'a size in words', values: 'nats: { maxFile: a lot }', says: [/nats.maxFile/, /Gi/] },
  {
    what: 'an unknown kind of service',
    values: 'gateway: { service: { type: Public } }',
    says: [/service.type/, /NodePort/],
  },
  {
    what: 'a node port that no cluster has',
    values: 'gateway: { service: { type: NodePort, nodePort: 80 } }',
    says: [/nodePort/, /1,?024/],
  },
  {
    what: 'a store endpoint with a bucket in it',
    values: 'store: { external: { endpoint: https://s3.example.org/bucket } }',
    says: [/external.endpoint/, /pattern/],
  },
  {
    what: 'a grace that is shorter than the services need',
    values: 'terminationGracePeriodSeconds: 5',
    says: [/terminationGracePeriodSeconds/, /15/],
  },
  // What no schema can say: values that do not go together.
  {
    what: 'plain HTTP on the network',
    values: 'publicUrl: http://x.example.org',
    says: [/plain HTTP/, /allowInsecurePublicUrl/],
  },
  {
    what: 'HTTPS without a certificate',
    values: 'publicUrl: https://x.example.org',
    says: [/certificate/, /tls\.existingSecret/, /tls\.terminatedElsewhere/],
  },
  {
    what: 'a certificate without HTTPS',
    values: 'tls: { existingSecret: certificate }',
    says: [/plain HTTP/, /https:\/\//],
  },
  {
    what: 'two certificates',
    values:
      'publicUrl: https://x.example.org\ntls: { existingSecret: a, certManager: { enabled: true, issuerRef: { name: i } } }',
    says: [/existingSecret/, /certManager/],
  },
  {
    what: 'cert-manager without an issuer',
    values: 'publicUrl: https://x.example.org\ntls: { certManager: { enabled: true } }',
    says: [/issuerRef\.name/],
  },
  {
    what: 'no way in',
    values: 'gateway: { enabled: false }',
    says: [/gateway\.enabled/, /ingress\.enabled/],
  },
  {
    what: 'an ingress without a name',
    values: 'ingress: { enabled: true }',
    says: [/publicUrl/],
  },
  {
    what: 'fewer combiners at most than at least',
    values: 'combiner: { autoscaling: { minReplicas: 5, maxReplicas: 3 } }',
    says: [/minReplicas 5/, /maxReplicas 3/],
  },
  {
    what: 'more memory for aggregation than the container has',
    values: 'combiner: { memoryMiB: 900 }',
    says: [/combiner\.memoryMiB: 900/, /limits\.memory \(1Gi\)/],
  },
  {
    what: 'a JetStream that does not fit on its volume',
    values: 'nats: { maxFile: 10Gi, persistence: { size: 10Gi } }',
    says: [/nats\.maxFile: 10Gi/, /persistence\.size, 10Gi/],
  },
  {
    what: 'an existing NATS without an address',
    values: 'nats: { enabled: false }',
    says: [/nats\.external\.servers/, /tls:\/\//],
  },
  {
    what: 'an existing NATS that clients cannot reach',
    values: 'nats: { enabled: false, external: { servers: ["tls://n:4222"] } }',
    says: [/websocket/, /clientServers/],
  },
  {
    what: 'an existing NATS without credentials',
    values: 'nats: { enabled: false, external: { servers: ["tls://n:4222"], websocket: "n:9222" } }',
    says: [/existingSecrets\.reducerNats/],
  },
  {
    what: 'an existing store without an address',
    values: 'store: { minio: { enabled: false } }',
    says: [/store\.external\.endpoint/],
  },
  {
    what: 'an existing store without credentials',
    values: 'store: { minio: { enabled: false }, external: { endpoint: "https://s3.example.org" } }',
    says: [/existingSecrets\.store\.name/],
  },
  {
    what: 'two stores',
    values: 'store: { external: { endpoint: "https://s3.example.org" } }',
    says: [/minio\.enabled/, /external\.endpoint/],
  },
  {
    what: 'keys that nobody makes',
    values: 'bootstrap: { enabled: false }',
    says: [/existingSecrets\.reducer\b/, /bootstrap/],
  },
];

describe('helm refuses, and says what was wrong', { skip: noHelm }, () => {
  for (const { what, values, says } of refused) {
    test(what, () => {
      const message = refusalOf(values);
      // The schema names keys with dots or slashes, by the release of helm.
      const text = message.replaceAll('/', '.').replaceAll("'", '');
      for (const pattern of says) {
        assert.ok(pattern.test(message) || pattern.test(text), `${pattern} is not in:\n${message}`);
      }
    });
  }
});
