/**
 * Makes an environment with vLLM for the CPU in this checkout, packages/gpu/.vllm, for tests and for trying out, as
 * `npx agent-lightning setup-python --vllm` does for an application. Does nothing when it is there.
 *
 *     npm run setup:vllm              PYTHON=/path/to/python3 chooses another interpreter
 */
import { join } from 'node:path';
import { LightningError, type Logger } from '@agent-lightning/core';
import { setUpVllm } from '@agent-lightning/gpu';

const print = (message: string): void => console.log(message);
const logger: Logger = { info: print, warn: print, error: print };

try {
  await setUpVllm({ build: 'cpu', directory: join(import.meta.dirname, '..', 'packages', 'gpu', '.vllm'), logger });
} catch (error) {
  if (!LightningError.isInstance(error)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
