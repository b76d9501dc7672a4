import { execFile, spawn, type ChildProcess } from 'node:child_process';

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

// A process that reads from us and ends whatever groups are left when we are gone, even by SIGKILL.
const guardScript = `
groups=" "
while read -r sign group; do
  case "$sign" in
    +) groups="$groups$group " ;;
    -) case "$groups" in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
for group in $groups; do kill -9 "-$group"; done 2>/dev/null
`;

let guard: ChildProcess | undefined;
const guarded = new Set<number>();

/**
 * Starts the watch that `guardTree` needs. Called before a command is started, it leaves no moment
 * in which the command runs and the watch does not, should this process be killed.
 */
export function readyGuard(): void {
  if (hasProcessGroups && !isGuardRunning()) guard = startGuard();
}

/** Lets no command outlive this process. Returns a function that ends the watch. */
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
  return started;
}

/** Lets this process end while the child still runs: neither the child nor its pipes keep it alive any more. */
export function unrefChild(child: ChildProcess): void {
  child.unref();
  for (const pipe of child.stdio) (pipe as unknown as { unref?(): void } | null)?.unref?.();
}
