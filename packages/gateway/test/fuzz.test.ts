import { describeFuzzedBodies } from './fuzzed-bodies.ts';

// As many again, and more, are in fuzz.full.test.ts.
describeFuzzedBodies(400);
