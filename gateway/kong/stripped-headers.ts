/** The headers of clients that stay behind at the gateway. */

/**
 * Headers that only the platform may set, by prefix: event attributes, Kong's consumer, and the headers with which
 * Knative steers requests (a client could reach a tagged revision, or be taken for a probe).
 */
export const STRIPPED_PREFIXES = [
  'ce-',
  'x-consumer-',
  'x-credential-',
  'x-tenant-',
  'knative-',
  'k-',
] as const

/** The same, by full name. `request-transformer` cannot remove by prefix, and runs even where Lua is switched off. */
export const STRIPPED_HEADERS = [
  'X-Tenant-ID',
  'X-Anonymous-Consumer',
  'X-Consumer-ID',
  'X-Consumer-Custom-ID',
  'X-Consumer-Username',
  'X-Credential-Identifier',
  'ce-specversion',
  'ce-id',
  'ce-source',
  'ce-type',
  'ce-time',
  'ce-subject',
  'ce-datacontenttype',
  'ce-dataschema',
  'ce-tenantid',
  'ce-function',
  'ce-signature',
  'ce-traceparent',
  'ce-tracestate',
] as const

/** The prefix of event attributes, which come in headers where events are taken. */
const EVENT_PREFIX = 'ce-'

/** What stays behind of a request that may be an event. */
export const EVENT_STRIPPED_PREFIXES = STRIPPED_PREFIXES.filter((prefix) => prefix !== EVENT_PREFIX)
export const EVENT_STRIPPED_HEADERS = STRIPPED_HEADERS.filter((name) => !name.startsWith(EVENT_PREFIX))
