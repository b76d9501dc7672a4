import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';

/** True where children get a process group of their own, which one signal reaches as a whole. */
export const hasProcessGroups: boolean = process.platform !== 'win32';

/** Asks a command and all that it started to end, or, with SIGKILL, ends them. A tree that is gone is no error. */
export function signalTree(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (!hasProcessGroups) {
    // Windows has no signals: a console program cannot be asked, so the tree is ended at once.
    execFile('taskkill', ['/pid', String(pid), '/T', '/F'], { windowsHide: true }, () => undefined);
    return;
  }
  try {
    process.kill(-pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // EPERM is what macOS says of a group in which only zombies are left.
    if (code !== 'ESRCH' && code !== 'EPERM') throw error;
  }
}

/** The variable that a command's environment has while it is being started, by which the guard finds it before it knows its process id. */
const startVariable = 'AGENT_LIGHTNING_START';

/**
 * A process that reads from us and ends whatever groups are left when we are gone, even by SIGKILL. Its input ends when the last
 * copy of our end of the pipe is closed. A command that is being started has such a copy until its program is loaded, so that none can still
 * be on its way then. Those that we could not name any more are found by their environment; where there is no /proc, only named ones end.
 */
const guardScript = `
groups=" "
starts=" "
while read -r sign name; do
  case "$sign" in
    +) groups="$groups$name " ;;
    -) case "$groups" in *" $name "*) groups="\${groups%% $name *} \${groups#* $name }" ;; esac ;;
    '?') starts="$starts$name " ;;
    '!') case "$starts" in *" $name "*) starts="\${starts%% $name *} \${starts#* $name }" ;; esac ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
for pause in 0 0.1 0.4 2; do
  for start in $starts; do
    sleep $pause
    for file in $(grep -ls "${startVariable}=$start" /proc/[0-9]*/environ); do
      process="\${file#/proc/}"
      process="\${process%/environ}"
      kill -9 "-$process" "$process"
    done
  done
done 2>/dev/null
`;

let guard: ChildProcess | undefined;
const guarded = new Set<number>();
const starting = new Set<string>();

/** A command that is about to be started, and that will not outlive this process from its first moment on. */
export interface GuardedStart {
  /** The environment that the command must be started with: the given one, and a name for the guard. */
  readonly env: NodeJS.ProcessEnv;
  /** Takes the place of the name, once the command has a process id. Returns a function that ends the watch. */
  watch(child: ChildProcess): () => void;
  /** Ends the watch of a command that could not be started. */
  cancel(): void;
}

/**
 * Registers a command with the guard before it is started in a group of its own, so that there is no moment in which it runs and would
 * outlive this process, however that ends. Call it right before `spawn`; on Windows a command ends with this process's `exit` only.
 */
export function guardStart(env: NodeJS.ProcessEnv): GuardedStart {
  if (!hasProcessGroups) return { env, watch: guardTree, cancel: () => undefined };
  const name = randomBytes(16).toString('hex');
  if (!isGuardRunning()) guard = startGuard();
  starting.add(name);
  tellGuard(`? ${name}\n`);
  const cancel = (): void => {
    if (starting.delete(name)) tellGuard(`! ${name}\n`);
  };
  return {
    env: { ...env, [startVariable]: name },
    watch: (child) => {
      const release = guardTree(child);
      cancel();
      return release;
    },
    cancel,
  };
}

/** Lets no running command outlive this process. Returns a function that ends the watch. */
export function guardTree(child: ChildProcess): () => void {
  const { pid } = child;
  if (pid === undefined) return () => undefined;
  if (!hasProcessGroups) {
    const onExit = (): void => signalTree(child, 'SIGKILL');
    process.once('exit', onExit);
    return () => void process.off('exit', onExit);
  }
  guarded.add(pid);
  tellGuard(`+ ${pid}\n`);
  return () => {
    guarded.delete(pid);
    tellGuard(`- ${pid}\n`);
  };
}

function isGuardRunning(): boolean {
  return guard?.pid !== undefined && guard.exitCode === null && guard.signalCode === null;
}

function tellGuard(line: string): void {
  if (isGuardRunning()) return void guard?.stdin?.write(line);
  guard = startGuard();
}

function startGuard(): ChildProcess {
  const started = spawn('/bin/sh', ['-c', guardScript], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  started.on('error', (error) => process.emitWarning(`commands may outlive this process: ${error.message}`));
  if (started.pid === undefined) return started; // it has no pipes either
  started.stdin.on('error', () => undefined); // its end is seen at the next line, and another one is started
  unrefChild(started);
  for (const group of guarded) started.stdin.write(`+ ${group}\n`);
  for (const name of starting) started.stdin.write(`? ${name}\n`);
  return started;
}

/** Lets this process end while the child still runs: neither the child nor its pipes keep it alive any more. */
export function unrefChild(child: ChildProcess): void {
  child.unref();
  for (const pipe of child.stdio) (pipe as unknown as { unref?(): void } | null)?.unref?.();
}
