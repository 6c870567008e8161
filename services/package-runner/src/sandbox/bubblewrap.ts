import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';

/** What a sandboxed program sees of the machine. All paths are absolute. */
export interface SandboxView {
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  /** Kept out of sight even where a folder above is shown (keys). */
  readonly hidden: readonly string[];
  readonly network: boolean;
  readonly devices: boolean;
  readonly cwd: string;
}

const systemFolders = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const systemFiles = [
  '/etc/ld.so.cache',
  '/etc/ld.so.conf',
  '/etc/ld.so.conf.d',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/timezone',
  '/nix/store',
];
const networkFiles = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/ssl',
  '/etc/pki',
  '/etc/ca-certificates',
];
const deviceFiles = [
  '/dev/dri',
  '/dev/kfd',
  '/dev/nvidia0',
  '/dev/nvidia1',
  '/dev/nvidia2',
  '/dev/nvidia3',
  '/dev/nvidia4',
  '/dev/nvidia5',
  '/dev/nvidia6',
  '/dev/nvidia7',
  '/dev/nvidiactl',
  '/dev/nvidia-uvm',
  '/dev/nvidia-uvm-tools',
  '/dev/nvidia-modeset',
  '/dev/nvidia-caps',
];
const temporaryBytes = 256 * 2 ** 20;
/** Data loaders share batches there. Without a bound it would be half of the machine's memory, seen by no monitor. */
const sharedBytes = 2 ** 30;

/** Arguments of `bwrap` up to and including `--`. */
export function bubblewrapArguments(view: SandboxView): string[] {
  const { network, devices, cwd } = view;
  return [
    '--unshare-user',
    '--unshare-all',
    ...(network ? ['--share-net'] : []),
    '--die-with-parent',
    '--new-session',
    '--cap-drop',
    'ALL',
    '--hostname',
    'consilium',
    ...system(),
    ...(network ? networkFiles.flatMap((path) => ['--ro-bind-try', path, path]) : []),
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    ...(devices ? deviceFiles.flatMap((path) => ['--dev-bind-try', path, path]) : []),
    ...(devices ? ['--ro-bind-try', '/sys', '/sys', '--ro-bind-try', '/etc/vulkan', '/etc/vulkan'] : []),
    '--size',
    String(sharedBytes),
    '--tmpfs',
    '/dev/shm',
    '--remount-ro',
    '/dev',
    '--size',
    String(temporaryBytes),
    '--tmpfs',
    '/tmp',
    ...mounts(view),
    '--remount-ro',
    '/',
    '--chdir',
    cwd,
    '--',
  ];
}

function system(): string[] {
  const folders = systemFolders.flatMap((path) => {
    if (!existsSync(path)) return [];
    return lstatSync(path).isSymbolicLink()
      ? ['--symlink', readlinkSync(path), path]
      : ['--ro-bind', path, path];
  });
  const files = systemFiles.flatMap((path) => ['--ro-bind-try', path, path]);
  return ['--ro-bind', '/usr', '/usr', ...folders, ...files];
}

/** Outer folders first: a mount covers what was mounted below its place before. */
function mounts({ readOnly, writable, hidden }: SandboxView): string[] {
  const shown = [...readOnly, ...writable];
  const all = [
    ...readOnly.map((path) => ({ path, rank: 0, args: ['--ro-bind', realpathSync(path), path] })),
    ...writable.map((path) => ({ path, rank: 1, args: ['--bind', realpathSync(path), path] })),
    ...hidden
      .filter((path) => existsSync(path) && shown.some((other) => isWithin(path, other)))
      .map((path) => ({ path, rank: 2, args: cover(path) })),
  ];
  all.sort((a, b) => depth(a.path) - depth(b.path) || a.rank - b.rank);
  return all.flatMap(({ args }) => args);
}

function cover(path: string): string[] {
  return lstatSync(path).isDirectory() ? ['--tmpfs', path] : ['--ro-bind', '/dev/null', path];
}

function depth(path: string): number {
  return path.split('/').filter((part) => part !== '').length;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}
