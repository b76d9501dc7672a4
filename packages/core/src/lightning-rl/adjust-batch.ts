import { applyCritic } from './critic-advantages.ts';
import { penalizeDivergence } from './reference-penalty.ts';

/** Changes of a batch's advantages by what a model says of its tokens. */
export const adjustBatch: {
  /** Gives a batch the advantages and targets that follow from a critic's values. */
  readonly byCritic: typeof applyCritic;
  /** Adds the divergence from a reference to the advantages of samples. */
  readonly byReference: typeof penalizeDivergence;
} = Object.freeze({ byCritic: applyCritic, byReference: penalizeDivergence });
