/** Asks a server for its models: any answer but a failure means that it is there. */
export async function probeEndpoint(baseUrl: string, apiKey: string | undefined): Promise<boolean> {
  try {
    const reply = await fetch(`${baseUrl.replace(/\/+$/u, '')}/models`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(5_000),
      headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    });
    await reply.body?.cancel();
    return reply.status < 500;
  } catch {
    // Not there yet.
    return false;
  }
}
