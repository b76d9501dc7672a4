import { withLightning } from '@agent-lightning/langgraph';
import { describeZoo } from './describe-zoo.ts';
import type { Wrap } from './idiom.ts';
import { agents } from './langgraph/agents.ts';
import { anthropic } from './langgraph/anthropic.ts';
import { graphs } from './langgraph/graphs.ts';
import { middleware } from './langgraph/middleware.ts';
import { models } from './langgraph/models.ts';
import { running } from './langgraph/running.ts';

describeZoo('LangGraph', withLightning as unknown as Wrap, [
  ...graphs,
  ...models,
  ...anthropic,
  ...agents,
  ...middleware,
  ...running,
]);
