import { describeAdapter } from '@agent-lightning/testing';
import { adapter } from './__fixtures__/adapter.ts';

describeAdapter('Mastra', adapter);
