import { describeAdapter } from '@agent-lightning/testing';
import { adapter } from './__fixtures__/adapter.ts';

describeAdapter('OpenAI Agents', adapter);
