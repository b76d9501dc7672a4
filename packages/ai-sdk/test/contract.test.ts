import { describeAdapter } from '@agent-lightning/testing';
import { aiSdkAdapter } from './__fixtures__/adapter.ts';

describeAdapter('ai-sdk', aiSdkAdapter);
