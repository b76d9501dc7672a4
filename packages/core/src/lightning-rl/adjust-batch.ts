import { applyCritic } from './critic-advantages.ts';
import { penalizeDivergence } from './reference-penalty.ts';
import { followTeacher } from './teacher-advantages.ts';

/** Changes of a batch's advantages by what a model says of its tokens. */
export const adjustBatch: {
  /** Gives a batch the advantages and targets that follow from a critic's values. */
  readonly byCritic: typeof applyCritic;
  /** Adds the divergence from a reference to the advantages of samples. */
  readonly byReference: typeof penalizeDivergence;
  /** Adds how much likelier a teacher finds each sampled token than the policy did to the advantages of samples. */
  readonly byTeacher: typeof followTeacher;
} = Object.freeze({ byCritic: applyCritic, byReference: penalizeDivergence, byTeacher: followTeacher });
