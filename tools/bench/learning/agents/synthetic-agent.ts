/** An agent whose model calls choose one of a few replies: the smallest thing that has tasks, calls, states and rewards. */
export interface SyntheticAgent {
  readonly name: string;
  /** Tasks are the numbers from 0 to below this. */
  readonly tasks: number;
  /** Replies that each call chooses from. */
  readonly replies: number;
  /** The names of the nodes that call the model. */
  readonly nodes: readonly string[];
  /** Runs the agent on a task, and returns its reward, from 0 to 1. */
  run(task: number, model: SyntheticModel): number;
}

/** What a synthetic agent asks, and where it says what its tools did. */
export interface SyntheticModel {
  /** Returns the reply at a node. The prompt is the task, the node, and the earlier reply that the call is told of, if there is one. */
  ask(node: number, earlier?: number): number;
  /** Notes that the tool failed which the newest reply called. */
  failTool(): void;
}

const taskCount = 16;
const replyCount = 3;

/** The right reply is one of its task, the same at every node: what is learned at one call helps at the others. */
const isRight = (task: number, reply: number, replies = replyCount): boolean => reply === task % replies;

/** Six calls, of which one decides. */
export const needle = callsInTurn('needle', 6, (right) => (right[3]! ? 1 : 0));

/** Twelve calls, of which two decide. */
export const chain = callsInTurn('chain', 12, decidedByTwo);

/** The same with two replies to choose from. With three, many runs on a shared network do not arrive, whatever the credit of the calls is: docs/decisions/0050. */
export const shortChoiceChain = callsInTurn('chain of two replies', 12, decidedByTwo, 2);

/** Six calls, each of which earns a sixth. */
export const sum = callsInTurn('sum', 6, (right) => right.filter(Boolean).length / right.length);

/** Four calls that must all be right. Each calls a tool, which fails when the reply is wrong. */
export const and: SyntheticAgent = {
  ...callsInTurn('and', 4, () => 0),
  run: (task, model) => {
    let rights = 0;
    for (let node = 0; node < 4; node += 1) {
      if (isRight(task, model.ask(node))) rights += 1;
      else model.failTool();
    }
    return rights === 4 ? 1 : 0;
  },
};

/** Four places that must all be right in the end. A wrong reply fails a tool, and a second call, which is told of the first one's reply, can mend it. */
export const repair: SyntheticAgent = {
  ...callsInTurn('repair', 8, () => 0),
  run: (task, model) => {
    let rights = 0;
    for (let place = 0; place < 4; place += 1) {
      const first = model.ask(place);
      if (isRight(task, first)) {
        rights += 1;
        continue;
      }
      model.failTool();
      if (isRight(task, model.ask(place + 4, first))) rights += 1;
      else model.failTool();
    }
    return rights === 4 ? 1 : 0;
  },
};

function decidedByTwo(right: readonly boolean[]): number {
  return right[2]! && right[8]! ? 1 : 0;
}

/** Returns an agent that calls its model at each node in turn, and knows which were right. */
function callsInTurn(
  name: string,
  calls: number,
  toReward: (right: readonly boolean[]) => number,
  replies = replyCount,
): SyntheticAgent {
  const nodes = Array.from({ length: calls }, (_, node) => `node ${node}`);
  return {
    name,
    tasks: taskCount,
    replies,
    nodes,
    run: (task, model) => toReward(nodes.map((_, node) => isRight(task, model.ask(node), replies))),
  };
}
