/** Lists the figures of a step, as `metrics.jsonl` has them, and those of the gateway, as the sources have them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listSources, readInterfaces, type Interface } from './read-interfaces.ts';

/** Lists the figures of a step's line as paths, such as `reward.mean`. */
export function readStepMetrics(root: string): readonly string[] {
  const all = [...readInterfaces(root, 'run'), ...readInterfaces(root, 'trainer')];
  return [
    ...new Set(
      ['StepMetrics', 'GrpoMetrics', 'SftMetrics', 'DistillMetrics'].flatMap((name) =>
        listPaths(findMetrics(all, name), all),
      ),
    ),
  ];
}

function findMetrics(all: readonly Interface[], name: string): Interface {
  const found = all.find((each) => each.name === name);
  if (found === undefined) throw new ReferenceError(`no package exports the interface ${name}`);
  return found;
}

/** Lists the fields, and of fields that are objects of known fields those. */
function listPaths({ fields, parents }: Interface, all: readonly Interface[]): readonly string[] {
  const own = fields.flatMap(({ name, type }) => {
    const inner = all.find((each) => each.name === type.replace(' | undefined', ''));
    return inner === undefined ? [name] : listPaths(inner, all).map((path) => `${name}.${path}`);
  });
  return [...own, ...parents.flatMap(({ name }) => listPaths(findMetrics(all, name), all))];
}

/** Lists the names of the gateway's metrics for Prometheus. */
export function readGatewayMetrics(root: string): readonly string[] {
  const sources = listSources(root, 'gateway').map((file) => readFileSync(join(root, file), 'utf8'));
  return [...new Set(sources.flatMap((source) => source.match(/agentlightning_gateway_[a-z_]+/g) ?? []))];
}
