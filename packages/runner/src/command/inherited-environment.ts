/** The variables of this process that every command gets: what programs need to run, and nothing that opens anything. */
const harmless: ReadonlySet<string> = new Set([
  // where programs, libraries and files are
  'PATH',
  'HOME',
  'PWD',
  'SHELL',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'TMP',
  'TEMP',
  'LD_LIBRARY_PATH',
  'DYLD_LIBRARY_PATH',
  'DYLD_FALLBACK_LIBRARY_PATH',
  'VIRTUAL_ENV',
  'CONDA_PREFIX',
  'PYTHONPATH',
  'PYTHONHOME',
  'NODE_PATH',
  'JAVA_HOME',
  'HF_HOME',
  'HF_HUB_OFFLINE',
  'CUDA_VISIBLE_DEVICES',
  // language, time and terminal
  'LANG',
  'LANGUAGE',
  'TZ',
  'TERM',
  'COLORTERM',
  'NO_COLOR',
  'FORCE_COLOR',
  'PYTHONIOENCODING',
  'PYTHONUTF8',
  'PYTHONUNBUFFERED',
  // the network
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  // Windows
  'SYSTEMROOT',
  'SYSTEMDRIVE',
  'WINDIR',
  'COMSPEC',
  'PATHEXT',
  'USERNAME',
  'USERPROFILE',
  'HOMEDRIVE',
  'HOMEPATH',
  'APPDATA',
  'LOCALAPPDATA',
  'PROGRAMDATA',
  'PROGRAMFILES',
  'PROGRAMFILES(X86)',
  'NUMBER_OF_PROCESSORS',
  'PROCESSOR_ARCHITECTURE',
  'OS',
]);

/** Variables that a command gets where they hold no password. */
const proxies: ReadonlySet<string> = new Set(['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']);

/** Tells whether a variable is one that every program of this machine gets, and reads. */
export function isOfEveryProgram(name: string): boolean {
  const upper = name.toUpperCase();
  return harmless.has(upper) || proxies.has(upper) || upper.startsWith('LC_');
}

/** Variables of the agent's own model, which it gets in a run without a policy. */
const ownModel = /^(?:OPENAI|ANTHROPIC)_(?:API_KEY|BASE_URL|API_BASE)$/u;

/**
 * Returns the part of this process's environment that a command gets.
 *
 * @param inherit true for all of it, false for none; names are added to the harmless ones
 * @param hasPolicy tells whether the agent's model calls go to a policy
 */
export function inheritedEnvironment(
  inherit: boolean | readonly string[] | undefined,
  hasPolicy: boolean,
): Readonly<Record<string, string | undefined>> {
  if (inherit === true) return { ...process.env };
  if (inherit === false) return {};
  const named = new Set(inherit);
  const isInherited = ([name, value]: [string, string | undefined]): boolean => {
    const upper = name.toUpperCase();
    if (named.has(name) || harmless.has(upper) || upper.startsWith('LC_')) return true;
    // A proxy's address may hold a password, as http://user:password@host does.
    if (proxies.has(upper)) return !value?.includes('@');
    return !hasPolicy && ownModel.test(name);
  };
  return Object.fromEntries(Object.entries(process.env).filter(isInherited));
}
