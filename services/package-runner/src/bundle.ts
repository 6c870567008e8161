import { ConsiliumError } from '@consilium/protocol';
import { type BuildFailure, build, type Message, type OutputFile, type Plugin } from 'esbuild';

/** What comes with the client, in a version range that the package states. */
const provided = ['@consilium/sdk', '@consilium/sdk/*', '@tensorflow/*'];

/** Modules whose only use is to load a native addon. */
const addonLoaders =
  /^(bindings|node-gyp-build|node-gyp-build-optional-packages|@mapbox\/node-pre-gyp|node-pre-gyp|prebuild-install)$/;

// CommonJS dependencies call require() for Node's own modules, which plain ESM lacks. A global is
// used because a `const require` would clash with programs that declare their own.
const banner =
  "import { createRequire as __consiliumRequire } from 'node:module'; globalThis.require ??= __consiliumRequire(import.meta.url);";

export interface Bundle {
  /** Path relative to the package folder, and content. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** For each program given: the path of its bundle, and whether it exports `run` (or a default). */
  readonly programs: ReadonlyMap<string, { readonly path: string; readonly exportsRun: boolean }>;
}

/**
 * Bundles programs to plain ESM for Node 20 with all their dependencies except the sdk and tfjs.
 * What several programs share goes into common chunks, so a worker that loads them shares state.
 * The result does not depend on where the folder lies.
 *
 * @throws ConsiliumError PKG_BUILD_FAILED, PKG_NATIVE_ADDON with file, line and column.
 */
export async function bundlePrograms(folder: string, programs: readonly string[]): Promise<Bundle> {
  const unique = [...new Set(programs)];
  const names = new Map(unique.map((program) => [program, program.replace(/\.(ts|mts|js|mjs)$/, '')]));
  if (new Set(names.values()).size < unique.length) {
    throw new ConsiliumError(
      'PKG_BUILD_FAILED',
      `Two programs differ only in their ending: ${unique.join(', ')}.`,
      { where: folder },
    );
  }
  const result = await build({
    absWorkingDir: folder,
    entryPoints: unique.map((program) => ({ in: `./${program}`, out: names.get(program)! })),
    bundle: true,
    splitting: unique.length > 1,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outdir: 'out',
    outExtension: { '.js': '.mjs' },
    chunkNames: 'chunks/[name]-[hash]',
    external: provided,
    banner: { js: banner },
    // A tsconfig above the folder belongs to somebody else and would change the result.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: true, verbatimModuleSyntax: true } },
    define: { 'process.env.NODE_ENV': '"production"' },
    metafile: true,
    write: false,
    charset: 'utf8',
    legalComments: 'inline',
    logLevel: 'silent',
    plugins: [refuseAddons],
  }).catch((error: unknown) => {
    throw explain(error);
  });
  const files = new Map(result.outputFiles.map((file) => [relativeOutput(folder, file), file.contents]));
  const bundled = new Map(
    unique.map((program) => {
      const path = `${names.get(program)!}.mjs`;
      const exported = result.metafile.outputs[`out/${path}`]?.exports ?? [];
      return [program, { path, exportsRun: exported.includes('run') || exported.includes('default') }];
    }),
  );
  return { files, programs: bundled };
}

/** Finds syntax errors and unresolved imports without keeping the result. */
export async function bundleProblems(folder: string, programs: readonly string[]): Promise<ConsiliumError[]> {
  try {
    await bundlePrograms(folder, programs);
    return [];
  } catch (error) {
    if (error instanceof ConsiliumError) return [error];
    throw error;
  }
}

const refuseAddons: Plugin = {
  name: 'refuse-native-addons',
  setup({ onResolve }) {
    onResolve({ filter: /\.node$/ }, ({ path }) => addonError(path));
    onResolve({ filter: addonLoaders }, ({ path }) => addonError(path));
  },
};

function addonError(path: string) {
  return { errors: [{ text: `"${path}" loads a native addon`, detail: 'native' }] };
}

function relativeOutput(folder: string, file: OutputFile): string {
  const path = file.path.replaceAll('\\', '/');
  const marker = `${folder.replaceAll('\\', '/').replace(/\/$/, '')}/out/`;
  if (path.startsWith(marker)) return path.slice(marker.length);
  throw new ConsiliumError('INTERNAL', `The bundler wrote outside its folder: ${path}.`);
}

function explain(error: unknown): unknown {
  const messages = (error as Partial<BuildFailure>).errors;
  const first = messages?.[0];
  if (messages === undefined || first === undefined) return error;
  const more = messages.length > 1 ? ` (${messages.length - 1} more)` : '';
  const code = first.detail === 'native' ? 'PKG_NATIVE_ADDON' : 'PKG_BUILD_FAILED';
  return new ConsiliumError(code, `${first.text}.${more}`, placeOf(first));
}

function placeOf({ location }: Message): { where?: string } {
  if (location === null) return {};
  return { where: `${location.file}:${location.line}:${location.column + 1}` };
}
