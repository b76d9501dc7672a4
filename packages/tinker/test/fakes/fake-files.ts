/** Exported weights of a fake server: a model directory, and the archive that some servers make of one. */

/** The safetensors layout: the header's length, the header, the numbers. */
export function encodeLogits(logits: Float64Array, vocabularySize: number): Buffer {
  const data = Buffer.from(Float32Array.from(logits).buffer);
  const header = JSON.stringify({
    logits: { dtype: 'F32', shape: [vocabularySize + 1, vocabularySize], data_offsets: [0, data.length] },
  });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded), data]);
}

/** An uncompressed tar of plain files. */
export function encodeTar(files: ReadonlyMap<string, Buffer>): Buffer {
  const blocks: Buffer[] = [];
  for (const [name, content] of files) {
    const header = Buffer.alloc(512);
    const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
    header.write(name, 0);
    header.write(octal(0o644, 7), 100);
    header.write(octal(0, 7), 108);
    header.write(octal(0, 7), 116);
    header.write(octal(content.length, 11), 124);
    header.write(octal(0, 11), 136);
    header.write('        0', 148); // the checksum counts as spaces; then the type: a file
    header.write('ustar\0' + '00', 257);
    const checksum = header.reduce((sum, byte) => sum + byte, 0);
    header.write(`${octal(checksum, 6)} `, 148);
    blocks.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1_024)]);
}
