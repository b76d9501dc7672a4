/** Reads records from a Parquet file, one row group after the other. */
import type { AsyncBuffer, Compressors, FileMetaData, ParquetParsers } from 'hyparquet';

import { parseJson } from './parse-json.ts';
import { toPlainJson } from './plain-json.ts';
import { readFirstBytes } from './read-text.ts';
import { invalidTask, messageOf } from './task-error.ts';
import { checkColumns, type PlacedRecord, type RecordSelection } from './task-record.ts';

/** "PAR1", which every Parquet file begins with. */
const parquetStart = '50415231';
const microsPerSecond = 1_000_000n;

/** Reads the rows. Only one row group is in memory, and only the columns that are asked for are decoded. */
export async function* readParquet(
  file: string,
  { columns, limit }: RecordSelection,
): AsyncGenerator<PlacedRecord, void, undefined> {
  if ((await readFirstBytes(file)) !== parquetStart)
    throw invalidTask({ file }, 'it is not a Parquet file: it does not begin with "PAR1"');
  const { source, metadata, names } = await openParquet(file);
  if (columns !== undefined) checkColumns(columns, names, { file });
  let start = 0;
  for (const group of metadata.row_groups) {
    const end = start + Number(group.num_rows);
    const rows = await readRows(file, source, { metadata, columns, start, end: Math.min(end, limit) });
    for (const [index, row] of rows.entries()) {
      const place = { file, record: `row ${start + index + 1}` };
      yield { place, fields: Object.fromEntries((columns ?? names).map((n) => [n, toPlainJson(row[n], n, place)])) };
    }
    if (end >= limit) return;
    start = end;
  }
}

interface OpenParquet {
  readonly source: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly names: readonly string[];
}

async function openParquet(file: string): Promise<OpenParquet> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetSchema } = await import('hyparquet');
  try {
    const source = await asyncBufferFromFile(file);
    const metadata = await parquetMetadataAsync(source);
    return { source, metadata, names: parquetSchema(metadata).children.map(({ element }) => element.name) };
  } catch (error) {
    throw invalidTask({ file }, `its Parquet footer cannot be read (is it cut off?): ${messageOf(error)}`, error);
  }
}

interface RowRange {
  readonly metadata: FileMetaData;
  readonly columns: readonly string[] | undefined;
  readonly start: number;
  readonly end: number;
}

async function readRows(
  file: string,
  source: AsyncBuffer,
  { metadata, columns, start, end }: RowRange,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const [{ parquetReadObjects }, { compressors }] = await Promise.all([
    import('hyparquet'),
    import('hyparquet-compressors'),
  ]);
  try {
    return await parquetReadObjects({
      file: source,
      metadata,
      compressors: skipEmptyBlocks(compressors),
      parsers,
      utf8: false, // bytes that the file does not call text stay bytes
      rowStart: start,
      rowEnd: end,
      ...(columns && { columns: [...columns] }),
    });
  } catch (error) {
    const problem = `it cannot be decoded: ${messageOf(error)}; leave columns out with columns, or write the file again`;
    throw invalidTask({ file, record: `rows ${start + 1} to ${end}` }, problem, error);
  }
}

/** LZ4 writes an empty page as a block of one byte, which `hyparquet-compressors` 1.1.2 cannot read. */
function skipEmptyBlocks(compressors: Compressors): Compressors {
  return Object.fromEntries(
    Object.entries(compressors).map(([codec, decompress]) => [
      codec,
      (input: Uint8Array, length: number) => (length === 0 ? new Uint8Array(0) : decompress(input, length)),
    ]),
  );
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Times become ISO 8601 text with all their digits; a time without a zone is taken as UTC. */
const parsers: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (millis) => toIsoText(millis * 1000n, 0n),
  timestampFromMicroseconds: (micros) => toIsoText(micros, 0n),
  timestampFromNanoseconds: (nanos) => {
    const rest = ((nanos % 1000n) + 1000n) % 1000n;
    return toIsoText((nanos - rest) / 1000n, rest);
  },
  dateFromDays: (days) => toIsoText(BigInt(days) * 86_400n * microsPerSecond, 0n).slice(0, 10),
  stringFromBytes: (bytes) => decodeText(bytes),
  jsonFromBytes: (bytes) => (bytes === undefined ? undefined : parseJson(decodeText(bytes)!)),
};

function decodeText(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : decoder.decode(bytes);
}

/** Writes a time, given in µs since 1970 and further ns, with as many decimals as it needs: 0, 3, 6 or 9. */
function toIsoText(micros: bigint, nanos: bigint): string {
  const fraction = ((micros % microsPerSecond) + microsPerSecond) % microsPerSecond;
  const seconds = new Date(Number((micros - fraction) / 1000n)).toISOString().slice(0, -5);
  const decimals = `${String(fraction).padStart(6, '0')}${String(nanos).padStart(3, '0')}`.replace(/(?:000)+$/, '');
  return `${seconds}${decimals === '' ? '' : `.${decimals}`}Z`;
}
