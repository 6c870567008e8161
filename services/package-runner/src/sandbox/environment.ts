import type { TaskFile } from '../contract.js';

/** Variables of the client's own environment that a package gets; no secret has such a name. */
const inherited = ['TZ', 'CUDA_VISIBLE_DEVICES', 'VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'CONSILIUM_BACKEND'];

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where the files of a task are. */
export interface TaskPaths {
  readonly taskFile: string;
  readonly configFile: string;
  readonly packageDir: string;
}

/** The environment of a process that is there before any task: nothing is passed on but this. */
export function baseEnvironment(
  home: string,
  threads: number,
  accelerator: string,
  extra: Readonly<Record<string, string>> = {},
  outer: Readonly<NodeJS.ProcessEnv> = process.env,
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: defaultPath,
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    HOME: home,
    USER: 'consilium',
    LOGNAME: 'consilium',
    TMPDIR: home,
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONUNBUFFERED: '1',
    CONSILIUM_EVENTS_FD: '3',
    CONSILIUM_CONTRACT: '1',
    CONSILIUM_THREADS: String(threads),
    CONSILIUM_ACCELERATOR: accelerator,
  };
  for (const name of ['OMP', 'OPENBLAS', 'MKL', 'TF_NUM_INTRAOP', 'TF_NUM_INTEROP']) {
    environment[name.startsWith('TF_') ? `${name}_THREADS` : `${name}_NUM_THREADS`] = String(threads);
  }
  for (const name of inherited) {
    const value = outer[name];
    if (value !== undefined) environment[name] = value;
  }
  return { ...environment, ...extra };
}

/** The variables of one task, see docs/reference/compute-package.md. */
export function taskEnvironment(task: TaskFile, paths: TaskPaths): Record<string, string> {
  const optional: Record<string, string | null | undefined> = {
    CONSILIUM_DATA_DIR: task.dataDir,
    CONSILIUM_WEIGHTS_IN: task.inputs.weights,
    CONSILIUM_INPUT: task.inputs.input,
    CONSILIUM_WEIGHTS_OUT: task.outputs.weights,
    CONSILIUM_METADATA_OUT: task.outputs.metadata,
    CONSILIUM_METRICS_OUT: task.outputs.metrics,
    CONSILIUM_PREDICTIONS_OUT: task.outputs.predictions,
  };
  const environment: Record<string, string> = {
    CONSILIUM_TASK: paths.taskFile,
    CONSILIUM_ENTRY: task.entry,
    CONSILIUM_SESSION: task.session,
    CONSILIUM_ROUND: String(task.round),
    CONSILIUM_SITE: task.site,
    CONSILIUM_CONFIG: paths.configFile,
    CONSILIUM_STATE_DIR: task.stateDir,
    CONSILIUM_TMP_DIR: task.tmpDir,
    CONSILIUM_PACKAGE_DIR: paths.packageDir,
    CONSILIUM_SEED: String(task.seed),
    TMPDIR: task.tmpDir,
  };
  for (const [name, value] of Object.entries(optional)) {
    if (value !== undefined && value !== null) environment[name] = value;
  }
  return environment;
}

/** What `{name}` in an argv stands for. */
export function placeholders(task: TaskFile, paths: TaskPaths): Record<string, string | undefined> {
  return {
    task: paths.taskFile,
    config: paths.configFile,
    data_dir: task.dataDir ?? undefined,
    state_dir: task.stateDir,
    tmp_dir: task.tmpDir,
    package_dir: paths.packageDir,
    weights_in: task.inputs.weights,
    input: task.inputs.input,
    weights_out: task.outputs.weights,
    metadata_out: task.outputs.metadata,
    metrics_out: task.outputs.metrics,
    predictions_out: task.outputs.predictions,
    seed: String(task.seed),
    threads: String(task.threads),
    round: String(task.round),
    session: task.session,
    site: task.site,
  };
}
