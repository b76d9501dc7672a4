// Serves a run directory in a process of its own, whose memory is measured. Argument: the directory.
import { startDashboard } from '@agent-lightning/dashboard';

const dashboard = await startDashboard({ source: process.argv[2] ?? '.' });
process.stdout.write(`${dashboard.url}\n`);
