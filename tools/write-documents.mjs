// Writes what the code knows into config/default.json, docs/CONFIGURATION.md, docs/METRICS.md and docs/PRECISION.md:
// npm run build && node tools/write-documents.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rangeMarkdown } from '../dist/src/precision/numbers/range-table.js';
import { defaultConfigText, metricTables, settingTables, withSection } from '../dist/src/server/document-tables.js';
import { createMetrics } from '../dist/src/server/metrics.js';

const root = join(import.meta.dirname, '..');

function rewrite(path, section, text) {
  const file = join(root, path);
  writeFileSync(file, withSection(readFileSync(file, 'utf8'), section, text));
  console.log(`wrote ${path}`);
}

writeFileSync(join(root, 'config', 'default.json'), defaultConfigText());
console.log('wrote config/default.json');
rewrite('docs/CONFIGURATION.md', 'settings', settingTables());
const metrics = createMetrics({ modelName: 'any' });
rewrite('docs/METRICS.md', 'metrics', metricTables(metrics.describe()));
metrics.stop();
rewrite('docs/PRECISION.md', 'formats', rangeMarkdown());
