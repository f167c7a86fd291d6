// Reads sample values out of a Prometheus text exposition, adding up those of one name over all their labels.
// Source: the text-based exposition format of prometheus.io, version 0.0.4.

/** The sum of all samples named `name`; undefined when the text has none. */
export function sumOfSamples(text: string, name: string): number | undefined {
  let total: number | undefined;
  for (const line of text.split('\n')) {
    if (!line.startsWith(name)) continue;
    const rest = line.slice(name.length);
    // The next character ends the name, or this is a longer name with the same beginning.
    if (!/^[{ \t]/.test(rest)) continue;
    const value = Number(
      rest
        .slice(rest.lastIndexOf('}') + 1)
        .trim()
        .split(/\s+/)[0],
    );
    if (!Number.isNaN(value)) total = (total ?? 0) + value;
  }
  return total;
}

/** The same sum; throws an Error that names the metric which is missing. */
export function requireSum(text: string, name: string): number {
  const sum = sumOfSamples(text, name);
  if (sum === undefined) throw new Error(`/metrics has no ${name}`);
  return sum;
}
