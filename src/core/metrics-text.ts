/** One line of a metric: its labels, and its value. */
export type MetricSample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** A metric with its samples in the text format of Prometheus, 0.0.4. */
export function metricFamily(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  samples: readonly MetricSample[],
): string {
  const lines = samples.map(([labels, value]) => `${name}${labelText(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escaped(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
}
