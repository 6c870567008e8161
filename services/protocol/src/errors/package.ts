import { defineErrors, kinds } from './spec.js';

const { badInput, denied, integrity, tooLarge, unavailable, notFound, conflict } = kinds;

const rebuild = 'Build the package again with: consilium package build';
const distrust =
  'Do not run it. Get the archive again from the registry; if it stays so, tell its publisher.';
const seePage = 'see docs/reference/package-yaml.md.';

/** What a person wrote: package.yaml, the programs, the configuration. */
const authoring = {
  PKG_NOT_A_PACKAGE: notFound(
    'The folder is not a compute package.',
    'Give the folder that holds package.yaml.',
  ),
  PKG_BAD_YAML: badInput('package.yaml is not valid.', `Correct the named field; ${seePage}`),
  PKG_BAD_CONFIG_SCHEMA: badInput(
    'The config schema in package.yaml is not valid.',
    `Correct the named part; ${seePage}`,
  ),
  PKG_BAD_CONFIG: badInput(
    'The configuration does not fit the config schema of the package.',
    'Correct the named key; consilium package show lists the keys, types and defaults.',
  ),
  PKG_SDK_RANGE: badInput(
    'The package needs another version of the sdk than the one that is installed.',
    'Update the client, or build the package for the installed sdk and widen `sdk` in package.yaml.',
  ),
  PKG_ENTRY_MISSING: badInput(
    'A program that package.yaml names is not in the package.',
    'Add the file, or correct `entry` in package.yaml.',
  ),
  PKG_NO_ENTRY: badInput(
    'The package has no such entry point.',
    'Add it under `entry` in package.yaml, or use another entry.',
  ),
  PKG_BUILD_FAILED: badInput('The package cannot be bundled.', 'Correct the program at the named place.'),
  PKG_NATIVE_ADDON: badInput(
    'The package uses a native addon, which cannot be bundled.',
    'Use a dependency in plain JavaScript or WASM, or the `process` runtime.',
  ),
  PKG_BAD_FILE: badInput(
    'The package folder holds something that cannot be packed.',
    'Remove or rename it, or keep it outside the package.',
  ),
} as const;

/** What an archive or its manifest can have wrong. */
const archive = {
  PKG_BAD_MANIFEST: badInput('The manifest of the package is not valid.', rebuild),
  PKG_UNSIGNED: denied('The package is not signed.', 'Publish it with: consilium package publish'),
  PKG_MANIFEST_DIFFERS: integrity(
    'The manifest says something else about the package than the package itself.',
    'Do not run it: allowing a digest allows what is in the archive, not what a stranger says about it.',
  ),
  PKG_BAD_SIGNATURE: integrity('The signature of the package is not valid.', distrust),
  PKG_SIGNER_NOT_ALLOWED: denied(
    'The package is signed by somebody this site does not allow.',
    'Add the key to policy.allowed_signers in client.yaml if you trust it.',
  ),
  PKG_DIGEST_MISMATCH: integrity('The archive is not the one that was signed.', distrust),
  PKG_NOT_GZIP: badInput('The archive is not gzip data.', rebuild),
  PKG_TRUNCATED: badInput('The archive ends too early.', 'Get it again.'),
  PKG_NOT_TAR: badInput('The archive does not hold a valid tar file.', rebuild),
  PKG_PATH_ABSOLUTE: integrity('A member of the archive has an absolute path.', distrust),
  PKG_PATH_TRAVERSAL: integrity('A member of the archive leads out of its folder.', distrust),
  PKG_PATH_INVALID: integrity('A member of the archive has a name that is not allowed.', distrust),
  PKG_PATH_TOO_LONG: badInput('The name of a member of the archive is too long.', rebuild),
  PKG_LINK: integrity('The archive holds a link.', distrust),
  PKG_SPECIAL_FILE: integrity('The archive holds something other than files and folders.', distrust),
  PKG_DUPLICATE_MEMBER: integrity('The archive holds a name twice.', distrust),
  PKG_CASE_COLLISION: badInput(
    'Two members of the archive have names that some systems take for one.',
    rebuild,
  ),
  PKG_TOO_MANY_FILES: tooLarge('The package holds too many files.', 'Keep data out of the package.'),
  PKG_TOO_LARGE: tooLarge('The package is too large.', 'Keep data and models out of the package.'),
  PKG_BOMB: integrity('The archive inflates to far more than its size.', distrust),
  PKG_MEMBER_UNLISTED: integrity('The archive holds a file that its manifest does not list.', distrust),
  PKG_MEMBER_MISSING: integrity('The archive lacks a file that its manifest lists.', distrust),
  PKG_MEMBER_DIGEST: integrity('A file of the archive is not the one that its manifest lists.', distrust),
} as const;

/** What can go wrong when a task runs, or what keeps it from running. */
const running = {
  PKG_ISOLATION_UNAVAILABLE: denied(
    'This machine cannot isolate the package as the policy demands.',
    'Install bubblewrap and allow user namespaces, or set policy.isolation to any in client.yaml.',
  ),
  PKG_NETWORK_DENIED: denied(
    'The package asks for the network and the policy does not allow it.',
    'Set policy.network in client.yaml if you trust the package with it.',
  ),
  PKG_RESOURCES_DENIED: denied(
    'The package asks for more than the policy or the machine gives.',
    'Raise the limit in client.yaml, or lower `resources` in package.yaml.',
  ),
  PKG_BAD_PART: badInput(
    'A model part has a name that is not allowed.',
    'Parts are named by a letter a-z and up to 31 more of a-z, 0-9 and _, such as weights.',
  ),
  PKG_START_FAILED: unavailable(
    'The program of the package could not be started.',
    'Install the program at the site, or correct the first part of the entry in package.yaml.',
  ),
  PKG_TASK_FAILED: badInput('The program of the package failed.', 'Read the log tail.'),
  PKG_TASK_TIMEOUT: unavailable(
    'The program of the package did not end in time.',
    'Raise resources.timeout in package.yaml or the limit of the policy, or give it less to do.',
  ),
  PKG_TASK_ABORTED: conflict(
    'The task was stopped before it ended.',
    'Nothing to do: it is not needed any more.',
  ),
  PKG_TASK_MEMORY: tooLarge(
    'The program of the package used more memory than it may.',
    'Raise resources.memory in package.yaml or the limit of the policy, or use smaller batches.',
  ),
  PKG_TASK_PROCESSES: tooLarge(
    'The program of the package started more processes than it may.',
    'Start fewer processes.',
  ),
  PKG_OUTPUT_MISSING: badInput(
    'The program ended without writing a file that it must write.',
    'See docs/reference/compute-package.md for what each entry gives.',
  ),
  PKG_OUTPUT_INVALID: badInput(
    'The program wrote a file that is not valid.',
    'See docs/reference/compute-package.md for what each entry gives.',
  ),
} as const;

export const packageErrors = defineErrors({ ...authoring, ...archive, ...running });
