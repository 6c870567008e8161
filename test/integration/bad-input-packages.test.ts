import { gzipSync } from 'node:zlib';
import { createIdentity } from '@consilium/platform';
import { type BadInput, goodPackage, program, publish, publisher, refuses } from '../support/bad-input.js';
import { type RawMember, rawPackage, rawTar } from '../support/raw-archives.js';

const digest = `sha256:${'a'.repeat(64)}`;
const members = (...list: RawMember[]) =>
  publish(rawPackage(publisher, [program, ...list], { version: '2.0.0' }));
const bytes = (archive: Buffer) => publish(rawPackage(publisher, [program], { version: '2.0.0', archive }));
const changed = { ...goodPackage.manifest, content: { ...goodPackage.manifest.content, version: '2.0.0' } };

const packages: BadInput[] = [
  {
    what: 'a package with ".." in a path',
    code: 'PKG_PATH_TRAVERSAL',
    ask: members({ path: '../x', content: 'x' }),
  },
  {
    what: 'a package with an absolute path',
    code: 'PKG_PATH_ABSOLUTE',
    ask: members({ path: '/etc/passwd', content: 'x' }),
  },
  {
    what: 'a package with a symbolic link',
    code: 'PKG_LINK',
    ask: members({ path: 'x', type: '2', linkpath: '/etc/passwd' }),
  },
  {
    what: 'a package with a hard link',
    code: 'PKG_LINK',
    ask: members({ path: 'x', type: '1', linkpath: 'train.sh' }),
  },
  { what: 'a package with a device', code: 'PKG_SPECIAL_FILE', ask: members({ path: 'x', type: '3' }) },
  { what: 'a package with a FIFO', code: 'PKG_SPECIAL_FILE', ask: members({ path: 'x', type: '6' }) },
  { what: 'a package with one file twice', code: 'PKG_DUPLICATE_MEMBER', ask: members(program) },
  {
    what: 'a package with names that differ in case',
    code: 'PKG_CASE_COLLISION',
    ask: members({ path: 'TRAIN.sh', content: 'x' }),
  },
  {
    what: 'a package that is a bomb',
    code: 'PKG_BOMB',
    ask: members({ path: 'zeros', content: Buffer.alloc(2 ** 24) }),
  },
  { what: 'a package that is no archive', code: 'PKG_NOT_GZIP', ask: bytes(Buffer.from('PK a zip file')) },
  {
    what: 'a package that is cut off',
    code: 'PKG_TRUNCATED',
    ask: bytes(gzipSync(rawTar([program])).subarray(0, -12)),
  },
  {
    what: 'a package with a file that is not listed',
    code: 'PKG_MEMBER_UNLISTED',
    ask: publish(
      rawPackage(publisher, [program, { path: 'x', content: 'x' }], { version: '2.0.0', listed: [program] }),
    ),
  },
  {
    what: 'a package with another file than listed',
    code: 'PKG_MEMBER_DIGEST',
    ask: publish(
      rawPackage(publisher, [program], { version: '2.0.0', listed: [{ ...program, content: 'exit 1\n' }] }),
    ),
  },
  {
    what: 'a package that was not uploaded',
    code: 'PKG_NOT_UPLOADED',
    ask: publish({
      manifest: rawPackage(publisher, [{ ...program, content: 'other' }], { version: '2.0.0' }).manifest,
    }),
  },
  {
    what: 'a package without a signature',
    code: 'PKG_UNSIGNED',
    ask: publish({ ...goodPackage, manifest: { content: goodPackage.manifest.content } }),
  },
  {
    what: 'a package whose manifest was changed after signing',
    code: 'PKG_BAD_SIGNATURE',
    ask: publish({ ...goodPackage, manifest: changed }),
  },
  {
    what: 'a package signed by somebody else than its publisher',
    code: 'PKG_BAD_SIGNATURE',
    ask: publish({
      ...goodPackage,
      manifest: { ...changed, signature: rawPackage(createIdentity('user'), [program]).manifest.signature },
    }),
  },
  {
    what: 'a package whose manifest has no content',
    code: 'PKG_BAD_MANIFEST',
    ask: publish({ manifest: { signature: goodPackage.manifest.signature } }),
  },
  {
    what: 'a version that is there with other content',
    code: 'PKG_VERSION_EXISTS',
    ask: publish(rawPackage(publisher, [{ ...program, content: 'exit 2\n' }])),
  },
  {
    what: 'an upload of no bytes',
    code: 'BAD_REQUEST',
    ask: (stage) => stage.admin('POST', '/uploads', { body: { digest, size: 0 } }),
  },
  {
    what: 'an upload larger than any store takes',
    code: 'STORE_TOO_LARGE',
    ask: (stage) => stage.admin('POST', '/uploads', { body: { digest, size: 2 ** 52 } }),
  },
  {
    what: 'the end of an upload that never began',
    code: 'STORE_NO_UPLOAD',
    ask: (stage) =>
      stage.admin('POST', '/uploads/complete', {
        body: { digest, size: 5, upload_id: '../../x', parts: [] },
      }),
  },
];

refuses('bad packages and uploads', packages);
