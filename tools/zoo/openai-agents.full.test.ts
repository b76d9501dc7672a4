import { withLightning } from '@agent-lightning/openai-agents';
import { describeZoo } from './describe-zoo.ts';
import type { Wrap } from './idiom.ts';
import { agents } from './openai-agents/agents.ts';
import { streaming } from './openai-agents/streaming.ts';
import { together } from './openai-agents/together.ts';

describeZoo('the OpenAI Agents SDK', withLightning as unknown as Wrap, [...agents, ...together, ...streaming]);
