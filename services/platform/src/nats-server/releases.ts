/**
 * The versions that are fetched when no nats-server is installed. Both are newer than the releases
 * that close CVE-2025-30215 and CVE-2026-33222.
 */

/** Built with `go install`; Go checks it against its checksum database. */
export const goVersion = 'v2.15.2';

/** Downloaded from the project's releases and checked against the checksums below. */
export const releaseVersion = 'v2.14.0';

/** SHA-256 of the release archives, by Node's `<platform>-<arch>`. */
export const releaseArchives: Readonly<Record<string, { readonly name: string; readonly sha256: string }>> = {
  'linux-x64': {
    name: 'nats-server-v2.14.0-linux-amd64',
    sha256: '3d8b74dfad39af184c765a6dd120441ed1c648d6672eddf6b304f222661251b8',
  },
  'linux-arm64': {
    name: 'nats-server-v2.14.0-linux-arm64',
    sha256: 'ce7dc5f7d97b70dabc38b13157fed28d7d06227860676143c15c62c5c297996c',
  },
  'darwin-x64': {
    name: 'nats-server-v2.14.0-darwin-amd64',
    sha256: 'c307afaa5810dea24bfe5bb0cd895ddc7c47946f359823336ef3be1a41bdddfa',
  },
  'darwin-arm64': {
    name: 'nats-server-v2.14.0-darwin-arm64',
    sha256: '36f28cf166e5ae5dd88d700a609c810b97ffad641e0c51b49cf8fae25fb3fac7',
  },
};
