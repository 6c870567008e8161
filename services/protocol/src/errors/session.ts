import { defineErrors, kinds } from './spec.js';

export const sessionErrors = defineErrors({
  SESSION_NOT_FOUND: kinds.notFound(
    'There is no such session.',
    'List sessions with: consilium session list',
  ),
  TASK_UNKNOWN: kinds.notFound(
    'This combiner holds no such task for this client.',
    'The session has moved on, or another combiner took over; the next sync says what holds.',
  ),
  TASK_LATE: kinds.conflict(
    'The result came after its phase had closed.',
    'Raise round_deadline if sites need longer; the update does not count.',
  ),
  TASK_TOO_MANY_UPLOADS: kinds.denied(
    'The client has asked to upload more for one task than a task can need.',
    'Look into the log of the client: it makes another update each time, or its uploads never end.',
  ),
  TASK_ENDED: kinds.conflict(
    'The task has already ended with another outcome.',
    'Only the first outcome of a task counts; wait for the next task.',
  ),
  TASK_FOREIGN: kinds.denied(
    'The task belongs to another client.',
    'A client reports on its own tasks only; check that no two sites share one configuration.',
  ),
  TASK_NO_OBJECT: kinds.badInput(
    'The task names no such object.',
    'Ask for package.archive, package.manifest or inputs.<part> of a task that holds.',
  ),
  TASK_NO_UPDATE: kinds.badInput(
    'The task does not ask for an update.',
    'Only training tasks upload; a validation sends its metrics in the claim.',
  ),
  UPDATE_BAD_CLAIM: kinds.badInput(
    'The result does not carry a valid signed claim.',
    'Run a client of a version that fits this reducer.',
  ),
  UPDATE_NOT_ENROLLED: kinds.denied(
    'The update comes from a site that is not enrolled.',
    'Enrol the site with a join token.',
  ),
  UPDATE_CLIENT_REVOKED: kinds.denied(
    'The update comes from a site whose enrolment was revoked.',
    'Enrol the site again with a new join token if it may come back.',
  ),
  UPDATE_WRONG_KEY: kinds.denied(
    'The update is signed with a key that is not the one the site enrolled with.',
    'Restore the key of the site, or enrol the site anew.',
  ),
  UPDATE_BAD_SIGNATURE: kinds.unauthenticated(
    'The signature of the update does not fit its claim.',
    'The claim was changed after signing; the update does not count.',
  ),
  UPDATE_FOREIGN: kinds.denied(
    'The claim speaks of another client than the one that sent it.',
    'A site signs for itself only.',
  ),
  UPDATE_WRONG_TASK: kinds.conflict(
    'The claim speaks of another session, round, attempt or kind than the task.',
    'The client mixed up tasks or kept an old result; it does not count.',
  ),
  UPDATE_WRONG_BASE: kinds.conflict(
    'The update was made from another model than the task names.',
    'The result of an earlier model does not count for this round.',
  ),
  UPDATE_WRONG_PACKAGE: kinds.conflict(
    'The update was made by another compute package than the task names.',
    'The site must run the package version of the session.',
  ),
  UPDATE_BAD_EXAMPLES: kinds.badInput(
    'The number of examples is not plausible.',
    'Training needs at least one example and at most max_examples of the session.',
  ),
  UPDATE_BAD_METRICS: kinds.badInput(
    'The metrics are not finite numbers under short names.',
    'Check the package: NaN and infinite metrics come from a diverged training.',
  ),
  UPDATE_MISSING: kinds.badInput(
    'The update is not in the object store.',
    'Upload it with the URLs of the task before sending the result.',
  ),
  UPDATE_TOO_LARGE: kinds.tooLarge(
    'The update is far larger than the model it started from.',
    "Send the model's parameters only, in the dtypes of the base model.",
  ),
  UPDATE_WRONG_SIZE: kinds.integrity(
    'The update in the object store does not have the stated size.',
    'Upload the file that was signed.',
  ),
  UPDATE_WRONG_DIGEST: kinds.integrity(
    'The update in the object store does not have the signed digest.',
    'Upload the file that was signed; if it recurs, the file or the store is damaged.',
  ),
  SESSION_EXISTS: kinds.conflict(
    'A session of this name exists already.',
    'Choose another name, or leave the name out to get a fresh one.',
  ),
  SESSION_BAD_SPEC: kinds.badInput(
    'The declaration of the session is not valid.',
    'Correct the named field; see docs/reference/session-yaml.md.',
  ),
  SESSION_IMPOSSIBLE: kinds.badInput(
    'The declaration asks for something that cannot happen.',
    'Correct the named fields so that they agree with each other.',
  ),
  SESSION_NO_PACKAGE: kinds.notFound(
    'The compute package of the session is not in the registry.',
    'Publish it first: consilium package publish <folder>; list what is there: consilium package list',
  ),
  SESSION_BAD_SEED: kinds.badInput(
    'The seed model of the session cannot be used.',
    "Upload an npz with finite weights; the package's init entry makes one.",
  ),
  SESSION_ENDED: kinds.conflict(
    'The session has ended.',
    'Start a new one; its seed can be any model of the trail.',
  ),
  SESSION_DOUBLE_CONTRIBUTION: kinds.integrity(
    'A client would be counted twice in one round.',
    'The round is tried again; if it recurs, report it with the log of reducer and combiners.',
  ),
  SESSION_BAD_REPORT: kinds.integrity(
    'The report of a combiner is missing or was changed.',
    'The round is tried again; check who can write to the bucket consilium-work.',
  ),
});
