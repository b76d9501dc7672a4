import { describeFuzzedBodies } from './fuzzed-bodies.ts';

describeFuzzedBodies(4_000);
