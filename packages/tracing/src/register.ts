/** Installs the redirect before anything else is loaded: `node --import @agent-lightning/tracing/register app.js`. */
import { installFetchRedirect } from './redirect/fetch-redirect.ts';

installFetchRedirect();
