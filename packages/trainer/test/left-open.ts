/** Publishes a version on a backend, whose options are given as JSON, and leaves it open: `node left-open.ts gpu|tinker <options>`. */
import { gpu, type GpuOptions } from '@agent-lightning/gpu';
import { tinker, type TinkerOptions } from '@agent-lightning/tinker';

const [kind, options] = process.argv.slice(2);
const given: unknown = JSON.parse(options!);
const backend = kind === 'gpu' ? gpu(given as GpuOptions) : tinker(given as TinkerOptions);
const policy = await backend.createPolicy({ name: 'policy', seed: 1 });
const { version } = await policy.publish(1);
process.stdout.write(`published version ${version}\n`);
