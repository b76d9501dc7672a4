/** Stands for the user's own tasks and reward in the documents' examples. */
export interface Task {
  readonly question: string;
  readonly database: string;
}

export declare const train: readonly Task[];
export declare const validation: readonly Task[];
/** Whether two queries give the same rows. */
export declare function sameRows(query: string, task: Task): Promise<boolean>;
