import assert from 'node:assert/strict';
import { test } from 'node:test';
import { helloReplySchema, signedUploadSchema, taskTemplateSchema } from './task.js';

test('a signed upload that is resumed tells the etags of the parts that are there', () => {
  const part = {
    number: 1,
    offset: 0,
    size: 8,
    url: 'http://store/a',
    headers: {},
    done: true,
    etag: 'd41d8cd9',
  };
  const upload = { kind: 'multipart', uploadId: 'u', partSize: 8, parts: [part], expiresAt: 1 };
  assert.deepEqual(signedUploadSchema.parse(upload), upload);
});

test('a model part cannot be named by a way out of its folder', () => {
  for (const name of ['../weights', 'a/b', '', '.', 'Weights', 'x'.repeat(33)]) {
    const inputs = {
      [name]: { bucket: 'consilium-work', key: 'k', digest: `sha256:${'0'.repeat(64)}`, size: 1 },
    };
    const { error } = taskTemplateSchema.pick({ inputs: true }).safeParse({ inputs });
    assert.deepEqual(error?.issues[0]?.path[0], 'inputs', JSON.stringify(name));
  }
});

test('a reducer cannot make a client ask without a pause', () => {
  for (const sync_seconds of [0, 1e-9, -1, 1e9]) {
    assert.equal(helloReplySchema.safeParse({ combiner: 'north', sync_seconds }).success, false);
  }
});
