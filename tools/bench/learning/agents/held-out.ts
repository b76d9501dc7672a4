/**
 * How each agent of the examples is validated while it is measured: the held-out tasks, and the steps from one validation to the next. The calculator agent learns
 * one way of telling a problem much later than the others, so its tasks are many, the same for all seeds, and are asked every second step.
 */
export const heldOutOf = {
  sql: { heldOutTasks: 96, validationEvery: 1 },
  calc: { heldOutTasks: 320, validationEvery: 2 },
} as const;
