import { RequestError } from '../http/request-error.ts';

/** The most parts of one export. Empty parts are two bytes each, and a hundred when they are read. */
const mostParts = 500_000;
/** The parts that one span counts for. */
export const partsOfSpan = 20;

/** Counts the spans, attributes and values of an export, so that a small body does not become a large object. */
export class ExportParts {
  #left: number = mostParts;

  /** @throws {RequestError} `request-too-large` */
  count(parts: number): void {
    this.#left -= parts;
    if (this.#left < 0)
      throw new RequestError(`the export has more than ${mostParts} spans, attributes and values; send less at once`, {
        code: 'request-too-large',
      });
  }
}
