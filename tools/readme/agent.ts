/** Stands for the user's own agent in the documents' examples: a compiled LangGraph.js graph. */
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';

const State = Annotation.Root({
  question: Annotation<string>,
  database: Annotation<string>,
  query: Annotation<string>,
});
const model = new ChatOpenAI({ model: 'gpt-4o-mini' });

export const graph = new StateGraph(State)
  .addNode('write_query', async (state) => ({ query: String((await model.invoke(state.question)).content) }))
  .addEdge(START, 'write_query')
  .addEdge('write_query', END)
  .compile();
