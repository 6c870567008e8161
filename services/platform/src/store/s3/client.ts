import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { rootCertificates } from 'node:tls';
import { S3Client } from '@aws-sdk/client-s3';
import { NodeHttpHandler } from '@smithy/node-http-handler';
import type { StoreSettings } from '../retry.js';
import type { S3Config } from '../types.js';

/** Connections to one store; streaming reads hold one each. */
const maxSockets = 64;

/** A client of the SDK that signs for `endpoint`. Retries are ours: one policy for both adapters. */
export function s3Client(config: S3Config, endpoint: string, settings: StoreSettings): S3Client {
  const { timeoutMs } = settings;
  return new S3Client({
    endpoint,
    region: config.region ?? 'us-east-1',
    forcePathStyle: config.forcePathStyle ?? true,
    credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secretKey },
    maxAttempts: 1,
    // Otherwise the SDK signs the checksum of an empty body into upload URLs.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: new NodeHttpHandler({
      connectionTimeout: Math.min(timeoutMs, 10_000),
      socketTimeout: timeoutMs,
      httpAgent: new HttpAgent({ keepAlive: true, maxSockets }),
      httpsAgent: new HttpsAgent({
        keepAlive: true,
        maxSockets,
        ...(config.ca === undefined ? {} : { ca: [...rootCertificates, config.ca] }),
      }),
    }),
  });
}
