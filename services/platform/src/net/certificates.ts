import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { ConsiliumError } from '@consilium/protocol';

/**
 * The certificates to trust when a site has its own authority: those that Node trusts anyway
 * (NODE_EXTRA_CA_CERTS included) and those of the file. Undefined without a file: Node's default.
 *
 * @throws ConsiliumError BAD_REQUEST when the file cannot be read or holds no PEM certificate.
 */
export function trustedCertificates(caFile: string | undefined): string[] | undefined {
  if (caFile === undefined || caFile === '') return undefined;
  return [...defaultCertificates(), ...readCertificates(caFile)];
}

function defaultCertificates(): readonly string[] {
  // From Node 22.15 Node says itself what it trusts; before, the extra file has to be added by hand.
  const ask = (tls as { getCACertificates?: (type: string) => string[] }).getCACertificates;
  if (ask !== undefined) return ask('default');
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  return extra === undefined || extra === ''
    ? tls.rootCertificates
    : [...tls.rootCertificates, ...readCertificates(extra)];
}

function readCertificates(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ConsiliumError('BAD_REQUEST', 'The certificate file cannot be read.', { where: file, cause });
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (found.length === 0) {
    throw new ConsiliumError('BAD_REQUEST', 'The file holds no certificate in PEM form.', { where: file });
  }
  for (const pem of found) {
    try {
      new X509Certificate(pem);
    } catch (cause) {
      throw new ConsiliumError('BAD_REQUEST', 'A certificate in the file is damaged.', {
        where: file,
        cause,
      });
    }
  }
  return [...found];
}
