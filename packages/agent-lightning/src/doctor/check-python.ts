/** Checks the Python of the PyTorch worker and the packages that the worker needs. */
import { readFileSync } from 'node:fs';
import { findPythonIfAny, findWorkerRequirements } from '@agent-lightning/gpu';
import { fault, note, ok, type Finding } from './finding.ts';
import { runProgram } from './run-program.ts';

export interface PythonNeed {
  /** True where the project trains in the worker of this machine. */
  readonly isNeeded: boolean;
  /** The Python that the configuration names. */
  readonly given: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
}

const advice =
  'run `npx agent-lightning setup-python`, which makes an environment with them; or give a Python that has them by gpu({ python }) or AGENT_LIGHTNING_PYTHON';

/** Returns what was found, and the Python where it can run the worker. */
export async function checkPython(need: PythonNeed): Promise<{ finding: Finding; python: string | undefined }> {
  const { isNeeded, given, environment } = need;
  const python = given ?? findPythonIfAny(environment);
  const tell = isNeeded || python !== undefined ? fault : note;
  if (python === undefined) {
    const found = `there is no Python for the PyTorch worker${isNeeded ? '' : ', which only the backend gpu needs'}`;
    return { finding: tell('python', found, advice), python };
  }
  const { output, error } = await runProgram(python, ['-c', program, ...readPins().keys()], environment);
  if (error !== undefined)
    return { finding: tell('python', `${python} does not run: ${error}`, advice), python: undefined };
  return judge(python, JSON.parse(output) as Reported);
}

interface Reported {
  readonly python: readonly [number, number];
  /** The version of each package, or null where there is none. */
  readonly packages: Readonly<Record<string, string | null>>;
}

/** Prints the versions of Python and of the packages that are its arguments. */
const program = `import json, sys
from importlib import metadata
def version(name):
    try: return metadata.version(name)
    except metadata.PackageNotFoundError: return None
print(json.dumps({"python": sys.version_info[:2], "packages": {name: version(name) for name in sys.argv[1:]}}))`;

function judge(python: string, reported: Reported): { finding: Finding; python: string | undefined } {
  const version = reported.python.join('.');
  const [major, minor] = reported.python;
  if (major < 3 || (major === 3 && minor < 10))
    return {
      finding: fault('python', `${python} is Python ${version}, and 3.10 or later is needed`, advice),
      python: undefined,
    };
  const missing = Object.entries(reported.packages).filter(([, found]) => found === null);
  if (missing.length > 0) {
    const names = missing.map(([name]) => name).join(', ');
    return { finding: fault('python', `${python} (Python ${version}) lacks ${names}`, advice), python: undefined };
  }
  const pins = readPins();
  const others = Object.entries(reported.packages).filter(([name, found]) => !found!.startsWith(pins.get(name)!));
  if (others.length === 0)
    return { finding: ok('python', `${python}, Python ${version}, with every package of the worker`), python };
  const list = others.map(([name, found]) => `${name} ${found} instead of ${pins.get(name)}`).join(', ');
  return { finding: note('python', `${python} has ${list}: not what was tested`, advice), python };
}

/** Reads the packages of the worker: name → version. */
function readPins(): ReadonlyMap<string, string> {
  const lines = readFileSync(findWorkerRequirements(), 'utf8').split('\n');
  return new Map(
    lines.flatMap((line) => {
      const [, name, version] = /^([\w.-]+)==([\w.]+)/.exec(line) ?? [];
      return name === undefined ? [] : [[name, version!] as const];
    }),
  );
}
