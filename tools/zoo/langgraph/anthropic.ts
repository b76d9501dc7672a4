import { collect } from '../collect.ts';
import type { Idiom } from '../idiom.ts';
import { call } from '../provider/script.ts';
import { anthropicModel, inNode, prompt, weather } from './parts.ts';

/** Idioms of models that speak Anthropic's dialect. */
export const anthropic: readonly Idiom[] = [
  {
    name: 'ChatAnthropic with a tool',
    source: 'https://docs.langchain.com/oss/javascript/integrations/chat/anthropic#tool-calling',
    script: { writer: [[call('weather', { city: 'Rome {q}' })]] },
    selected: { writer: 2 },
    build: inNode((around) => {
      const model = anthropicModel(around).bindTools([weather]);
      return async (question) => {
        const first = await model.invoke(prompt('writer', question));
        const result = await weather.invoke(first.tool_calls![0]!);
        return (await model.invoke([...prompt('writer', question), first, result])).text;
      };
    }),
  },
  {
    name: 'ChatAnthropic, streamed',
    source: 'https://docs.langchain.com/oss/javascript/integrations/chat/anthropic',
    selected: { writer: 1 },
    build: inNode((around) => {
      const model = anthropicModel(around);
      return async (question) => {
        const chunks = await collect(await model.stream(prompt('writer', question)));
        return chunks.map(({ text }) => text).join('·');
      };
    }),
  },
];
