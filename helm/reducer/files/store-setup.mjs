// Makes the buckets and proves that the store keeps what a model trail needs (write once). Runs after install and
// upgrade, with the product's own store adapter, so that a store that will not do is known before the first session.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const { env } = process;
const require = createRequire(`${env.CONSILIUM_HOME ?? '/opt/consilium'}/services/reducer/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const [{ storeFromConfig }, { buckets }] = await Promise.all(
  ['@consilium/platform/store', '@consilium/protocol'].map(load),
);
const secret = async (name) => (await readFile(env[name], 'utf8')).trim();
const config = {
  kind: 's3',
  endpoint: env.CONSILIUM_STORE__ENDPOINT,
  region: env.CONSILIUM_STORE__REGION,
  forcePathStyle: env.CONSILIUM_STORE__FORCE_PATH_STYLE === 'true',
  accessKey: await secret('CONSILIUM_STORE__ACCESS_KEY_FILE'),
  secretKey: await secret('CONSILIUM_STORE__SECRET_KEY_FILE'),
  ...(env.CONSILIUM_STORE__CA_FILE ? { ca: await secret('CONSILIUM_STORE__CA_FILE') } : {}),
};

// A store that is only just starting answers later; one that refuses us is not asked again.
const end = Date.now() + Number(env.STORE_PATIENCE_SECONDS ?? 300) * 1000;
for (;;) {
  const store = await storeFromConfig(config, { attempts: 2 });
  try {
    await store.ensureBuckets(Object.values(buckets));
    await store.probe(buckets.work);
    console.log(
      `${config.endpoint}: ${Object.values(buckets).join(', ')} are there, and writes are kept once`,
    );
    break;
  } catch (error) {
    if (error.code !== 'STORE_UNAVAILABLE' || Date.now() > end) {
      console.error(`error: ${error.code ?? ''} ${error.message}`);
      process.exitCode = 1;
      break;
    }
    console.log(`${config.endpoint} does not answer yet`);
    await sleep(3000);
  } finally {
    await store.close();
  }
}
