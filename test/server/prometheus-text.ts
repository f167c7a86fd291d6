// A reader of the Prometheus text format that refuses what Prometheus would refuse, for tests of /metrics.
// Source: https://prometheus.io/docs/instrumenting/exposition_formats/

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly PrometheusSample[];
}

export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface OpenFamily extends Family {
  readonly samples: PrometheusSample[];
}

const types = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const namePattern = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

/** Parses a whole exposition; throws an Error that names the line at fault. */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line must end');
  const families = new Map<string, OpenFamily>();
  let open: OpenFamily | undefined;
  let help: { name: string; text: string } | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    if (line.startsWith('# HELP ')) {
      const [name = '', ...words] = line.slice(7).split(' ');
      help = { name, text: words.join(' ') };
    } else if (line.startsWith('# TYPE ')) {
      open = openFamily(line, help);
      if (families.has(open.name)) throw new Error(`second family: ${line}`);
      families.set(open.name, open);
    } else if (!line.startsWith('#')) {
      const sample = parseSample(line);
      if (open === undefined || familyName(sample.name, open.type) !== open.name) throw new Error(`no family: ${line}`);
      open.samples.push(sample);
    }
  }
  for (const family of families.values()) checkFamily(family);
  return families;
}

function openFamily(line: string, help: { name: string; text: string } | undefined): OpenFamily {
  const [name = '', type = ''] = line.slice(7).split(' ');
  if (!namePattern.test(name)) throw new Error(`bad name: ${line}`);
  if (!types.includes(type)) throw new Error(`bad type: ${line}`);
  if (help?.name !== name || help.text === '') throw new Error(`no help before: ${line}`);
  return { name, type, help: help.text, samples: [] };
}

function familyName(sampleName: string, type: string): string {
  return type === 'histogram' ? sampleName.replace(/_(bucket|sum|count)$/, '') : sampleName;
}

function parseSample(line: string): PrometheusSample {
  const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
  if (match === null) throw new Error(`bad line: ${line}`);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? '';
  while (rest !== '') {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/.exec(rest);
    if (label === null) throw new Error(`bad labels: ${line}`);
    labels[label[1] ?? ''] = (label[2] ?? '').replace(/\\(.)/g, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    );
    rest = rest.slice(label[0].length);
  }
  const value = match[3] === '+Inf' ? Number.POSITIVE_INFINITY : Number(match[3]);
  if (Number.isNaN(value)) throw new Error(`bad value: ${line}`);
  return { name: match[1] ?? '', labels, value };
}

/** No series twice; histograms rise, and end in +Inf with the same number as their count. */
function checkFamily(family: Family): void {
  const keys = family.samples.map(({ name, labels }) => `${name}${JSON.stringify(Object.entries(labels).sort())}`);
  if (new Set(keys).size !== keys.length) throw new Error(`${family.name} has a series twice`);
  if (family.type !== 'histogram') return;
  const groups = new Map<string, PrometheusSample[]>();
  for (const sample of family.samples) {
    const key = JSON.stringify({ ...sample.labels, le: undefined });
    groups.set(key, [...(groups.get(key) ?? []), sample]);
  }
  for (const samples of groups.values()) checkHistogram(family.name, samples);
}

function checkHistogram(name: string, samples: readonly PrometheusSample[]): void {
  const buckets = samples.filter((sample) => sample.name.endsWith('_bucket'));
  const bounds = buckets.map(({ labels }) =>
    labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le']),
  );
  const total = samples.find((sample) => sample.name.endsWith('_count'))?.value;
  const rises = (values: readonly number[]): boolean =>
    values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
  if (!rises(bounds) || !rises(buckets.map(({ value }) => value))) throw new Error(`${name} does not rise`);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY || buckets.at(-1)?.value !== total)
    throw new Error(`${name} has no +Inf`);
  if (!samples.some((sample) => sample.name.endsWith('_sum'))) throw new Error(`${name} has no sum`);
}
