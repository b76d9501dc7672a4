import { describeStore } from '@agent-lightning/testing';
import { MemoryStore } from './memory-store.ts';

describeStore('MemoryStore', async (options) => ({ store: new MemoryStore(options) }));
