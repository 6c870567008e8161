// Writes docs/reference/errors.md from the one error table.
import { writeFileSync } from 'node:fs';
import { errorTable } from '../services/protocol/dist/index.js';

const areas = {
  UP: 'Platform',
  CLIENT: 'Client',
  SESSION: 'Sessions',
  TASK: 'Tasks',
  UPDATE: 'Updates',
  PKG: 'Compute packages',
  NPZ: 'npz files',
  AGG: 'Aggregation',
  STORE: 'Object store',
  BUS: 'NATS',
  TRUST: 'Trust',
  TRAIL: 'Model trail',
};
const groups = new Map();
for (const [code, spec] of Object.entries(errorTable)) {
  const area = areas[code.split('_')[0]] ?? 'General';
  groups.set(area, [...(groups.get(area) ?? []), [code, spec]]);
}
const cell = (text) => text.replaceAll('|', '\\|');
let page = `# Errors

Every error has a stable code. It is in the message of a command (and in \`--json\` output as \`code\`), in the
body of an HTTP answer and in the log. Beside the code an error says what exactly was wrong with this input
(\`detail\`), where (\`where\`: file and field, object, subject) and what to do (\`fix\`).

Made from the table in \`services/protocol/src/errors\` by \`node scripts/errors-page.mjs\`.
`;
for (const [area, rows] of groups) {
  page += `\n## ${area}\n\n| code | what it means | what to do | HTTP | exit |\n| --- | --- | --- | --- | --- |\n`;
  for (const [code, spec] of rows.sort(([a], [b]) => (a < b ? -1 : 1))) {
    page += `| \`${code}\` | ${cell(spec.message)} | ${cell(spec.fix)} | ${spec.http} | ${spec.exit} |\n`;
  }
}
writeFileSync(new URL('../docs/reference/errors.md', import.meta.url), page);
