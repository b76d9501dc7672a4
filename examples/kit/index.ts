// running an example from a command line
export { runExample, type ExampleRun } from './run-example.ts';
export { UsageError, type ExampleOptions, type ExampleProgram } from './command-line.ts';
export { describeKernels } from './describe-kernels.ts';
export { serveStartingModel } from './serve-starting-model.ts';

export { createBackend, modelFlags, modelSettings, type ModelFlag, type ModelSetting } from './model-settings.ts';

export { readLearningRate, readUpdateSettings, updateSettings, type UpdateOptions } from './update-settings.ts';

// being trained by a tool that measures
export { answerTrainingRequests, type MeasuredAgent } from './measured-training.ts';

// data sets in files
export { findTaskFile } from './find-task-file.ts';

// tasks that a seed decides
export { hashText, pick, pickerByKind, shuffled, type Random } from './random.ts';
export { takeInTurns } from './take-in-turns.ts';

// starting models
export { makeStartingModel, readScriptOptions, tinyShape, type StartingModelOptions } from './starting-model.ts';
export type { Dialogue } from './dialogue-samples.ts';
export { plainChat, toolChat, type ChatFormat } from './chat-formats.ts';
