/** Places what is trained in memory, in three arrangements of the same numbers: plain (Hugging Face order), forward panels, backward panels. */
import type { Shapes } from './parameter-shapes.ts';
import { roundUp, type Block, type Parameter } from './weights.ts';

/** Takes places for trained parameters, one after the other. Every thread takes the same. */
export class TrainedPlaces {
  readonly parameters: Parameter[] = [];
  readonly blocks: Block[] = [];
  /** Floats taken so far in each region. */
  readonly used = { plain: 0, forward: 0, backward: 0 };
  readonly #shapes: Shapes;

  constructor(shapes: Shapes) {
    this.#shapes = shapes;
  }

  vector(name: string): Block {
    return this.#block('vector', [name], false);
  }

  /** Stacks matrices that share their input. */
  matrix(names: readonly string[]): Block {
    return this.#block('linear', names, false);
  }

  /** Places the embedding, which is the output head as well when `isHead`. */
  embedding(name: string, isHead: boolean): Block {
    return this.#block('embedding', [name], isHead);
  }

  /** Stacks `names` by rows; each part's rows and all columns are rounded up to 8, except a single part's rows in the plain region. */
  #block(kind: Block['kind'], names: readonly string[], isHead: boolean): Block {
    const parts = names.map((name) => {
      const shape = this.#shapes.get(name)!;
      const isVector = shape.length === 1;
      return { name, rows: isVector ? 1 : shape[0], columns: isVector ? shape[0] : shape[1], isVector };
    });
    const columns = roundUp(parts[0]!.columns, 8);
    const partRows = (rows: number): number => (names.length > 1 ? roundUp(rows, 8) : rows);
    const rows = parts.reduce((sum, part) => sum + partRows(part.rows), 0);
    const offset = this.#take('plain', rows * columns);
    let row = 0;
    for (const part of parts) {
      this.parameters.push({ ...part, offset: offset + row * columns, stride: columns });
      row += partRows(part.rows);
    }
    const block: Block = {
      kind,
      rows,
      columns,
      offset,
      forward: this.#take('forward', kind === 'linear' ? roundUp(rows, 8) * columns : rows * columns),
      forwardHead: isHead ? this.#take('forward', roundUp(rows, 8) * columns) : undefined,
      backward: kind === 'linear' || isHead ? this.#take('backward', rows * columns) : undefined,
    };
    this.blocks.push(block);
    return block;
  }

  #take(region: 'plain' | 'forward' | 'backward', floats: number): number {
    const index = this.used[region];
    this.used[region] += roundUp(floats, 16);
    return index;
  }
}
