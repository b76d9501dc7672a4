/** Runs as a worker thread of the engine: takes jobs one after the other, a chunk at a time, and samples between the chunks. */
import { parentPort, workerData } from 'node:worker_threads';
import { describeFailure } from '../kernels/engine-fault.ts';
import { instantiateKernels } from '../kernels/kernels.ts';
import { SharedHeap } from '../kernels/shared-heap.ts';
import { reserveScratch } from '../model/frozen-scratch.ts';
import { rowStrides, type Model } from '../model/layer-forward.ts';
import { layOutParameters } from '../model/parameter-layout.ts';
import { Sampler } from '../sampling/sampler.ts';
import { TrainingWorker } from '../training/training-worker.ts';
import type { FromWorker, Job, JobResults, ToWorker, WorkerStart } from './worker-protocol.ts';

const start = workerData as WorkerStart;
const port = parentPort!;
const layout = layOutParameters(start.config, start.adaptation);
const heap = new SharedHeap(start.memory);
const model: Model = {
  kernels: instantiateKernels(start.module, start.memory),
  memory: start.memory,
  config: start.config,
  layout,
  map: start.map,
  widths: rowStrides(start.config),
  scratch: reserveScratch(layout, heap),
};
const sampler = new Sampler(model, heap, {
  pieces: (pieces) => send({ kind: 'pieces', pieces }),
  failed: (sample, failure) => send({ kind: 'sample-failed', sample, failure }),
});
const { thread, threads } = start;
const training = new TrainingWorker(model, heap, { thread, threads, makeRoom: () => sampler.reclaim() });

type Running = { readonly id: number; readonly steps: Iterator<void, JobResults[Job['kind']]> };
const jobs: Running[] = [];
let isScheduled = false;

function send(message: FromWorker): void {
  port.postMessage(message);
}

function* stepsOf(job: Job): Generator<void, JobResults[Job['kind']]> {
  switch (job.kind) {
    case 'train':
      return yield* training.train(job);
    case 'reduce':
      return training.reduce();
    case 'step':
      training.step(job.numbers);
      return {};
    case 'clear':
      training.clear();
      return {};
    case 'pack':
      training.pack();
      return {};
  }
}

/** Runs one chunk of the oldest job, then one step of all samples. Messages are read between turns. */
function runTurn(): void {
  isScheduled = false;
  const [job] = jobs;
  if (job) runJob(job);
  if (sampler.busy) sampler.step();
  schedule();
}

function runJob({ id, steps }: Running): void {
  try {
    const step = steps.next();
    if (!step.done) return;
    send({ kind: 'done', id, result: step.value });
  } catch (error) {
    send({ kind: 'failed', id, failure: describeFailure(error) });
  }
  jobs.shift();
}

function schedule(): void {
  if (isScheduled || (jobs.length === 0 && !sampler.busy)) return;
  isScheduled = true;
  setImmediate(runTurn);
}

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'job':
      jobs.push({ id: message.id, steps: stepsOf(message.job) });
      break;
    case 'sample':
      sampler.add(message);
      break;
    case 'abort':
      sampler.abort(message.sample);
      break;
    case 'forget':
      sampler.forget(message.version);
      break;
  }
  schedule();
});
