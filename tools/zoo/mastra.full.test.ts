import { withLightning } from '@agent-lightning/mastra';
import { describeZoo } from './describe-zoo.ts';
import type { Wrap } from './idiom.ts';
import { agents } from './mastra/agents.ts';
import { together } from './mastra/together.ts';
import { workflows } from './mastra/workflows.ts';

describeZoo('Mastra', withLightning as unknown as Wrap, [...agents, ...together, ...workflows]);
