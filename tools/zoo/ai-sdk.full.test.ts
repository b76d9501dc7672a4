import { withLightning } from '@agent-lightning/ai-sdk';
import { agents } from './ai-sdk/agents.ts';
import { models } from './ai-sdk/models.ts';
import { text } from './ai-sdk/text.ts';
import { describeZoo } from './describe-zoo.ts';
import type { Wrap } from './idiom.ts';

describeZoo('the AI SDK', withLightning as unknown as Wrap, [...text, ...models, ...agents]);
