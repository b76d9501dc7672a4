// the trainer
export { Trainer } from '@agent-lightning/trainer';
