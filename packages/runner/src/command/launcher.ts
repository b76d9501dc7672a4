/** Names the function that runs an agent in a process of its own, and what it runs, for errors and spans. */
export interface Launcher {
  readonly name: 'runCommand' | 'runContainer' | 'runJob';
  /** The command, the image, or the Job. */
  readonly subject: string;
}
