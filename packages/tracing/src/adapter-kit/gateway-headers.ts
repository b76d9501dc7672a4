/** Request headers with which an adapter tells the gateway who is calling; the gateway strips them before any upstream sees them. */
export const gatewayHeaders = {
  /** `encodeURIComponent(JSON.stringify(names))`: the caller's node and agent names, most specific first. */
  agentNames: 'x-lightning-agent',
  /** W3C trace context: the gateway's span becomes a child of the framework's. */
  traceParent: 'traceparent',
} as const;
