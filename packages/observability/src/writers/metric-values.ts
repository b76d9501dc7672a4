/**
 * Returns the finite numbers of a line of metrics by their paths, such as `seconds/train`; texts, lists, truths and the step itself are
 * left out.
 */
export function flattenMetrics(metrics: object, prefix = ''): Readonly<Record<string, number>> {
  const values: Record<string, number> = {};
  for (const [name, value] of Object.entries(metrics) as [string, unknown][]) {
    const path = `${prefix}${name}`;
    if (typeof value === 'number' && Number.isFinite(value) && path !== 'step') values[path] = value;
    else if (typeof value === 'object' && value !== null && !Array.isArray(value))
      Object.assign(values, flattenMetrics(value, `${path}/`));
  }
  return values;
}
