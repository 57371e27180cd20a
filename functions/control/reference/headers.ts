/** What many routes have in common besides their input: of requests (`PARAMETERS`) and of answers (`HEADERS`). */
import { Flag } from '../../../shared/contract/query-values.ts'
import { inputSchemaOf } from '../../../shared/contract/schemas.ts'
import { placeSchema } from './place-schema.ts'

interface Header {
  /** Where a request has it, if not among its headers. */
  in?: 'query'
  /** Of its component. */
  key: string
  name: string
  description: string
  schema: Record<string, unknown>
  example?: string
}

const TRACEPARENT: Header = {
  key: 'Traceparent',
  name: 'traceparent',
  description:
    'W3C trace context, followed through functions, events, queue and workers; a malformed one is ignored',
  schema: { type: 'string' },
}

const REQUEST_HEADERS: readonly Header[] = [
  {
    key: 'IdempotencyKey',
    name: 'Idempotency-Key',
    description:
      'The same key and request give the same answer, however often they come; with another request, 409',
    schema: { type: 'string', minLength: 1, maxLength: 255 },
  },
  {
    key: 'Priority',
    name: 'Priority',
    description:
      'Where the call becomes a job: its place among those that wait of your tenant, `u=0` before `u=7`, 3 by default (RFC 9218)',
    schema: { type: 'string' },
    example: 'u=1',
  },
  {
    key: 'Deadline',
    name: 'X-Deadline',
    description:
      'Seconds within which the model has to begin: a job that cannot is refused with the estimated wait, or fails while it waits',
    schema: { type: 'integer', minimum: 1, maximum: 86_400 },
  },
  {
    key: 'ObserverArchetype',
    name: 'X-Observer-Archetype',
    description: 'Archetype to observe as, within your roles; default is that of your most capable role',
    schema: { type: 'string' },
    example: 'developer',
  },
  {
    key: 'DryRun',
    in: 'query',
    name: 'dry_run',
    description: 'Answers what the call would do, need and cost; nothing is run',
    schema: placeSchema(inputSchemaOf({ input: Flag.default(false) }), ''),
  },
  {
    key: 'Prefer',
    name: 'Prefer',
    description:
      '`wait=N` stays on the line for N seconds, 60 at most; `respond-async` does not, as without it',
    schema: { type: 'string' },
    example: 'wait=20',
  },
  {
    key: 'LastEventId',
    name: 'Last-Event-ID',
    description: 'The last event that you have: the stream goes on after it; what is no id of one is ignored',
    schema: { type: 'string' },
  },
  {
    key: 'IfNoneMatch',
    name: 'If-None-Match',
    description: 'The `ETag` of the answer that you have',
    schema: { type: 'string' },
  },
  TRACEPARENT,
]

const count = { type: 'string', pattern: '^[0-9]+$' }

const ANSWERED: readonly Header[] = [
  TRACEPARENT,
  {
    key: 'RateLimitLimit',
    name: 'RateLimit-Limit',
    description: 'Requests per minute of your plan',
    schema: count,
  },
  {
    key: 'RateLimitRemaining',
    name: 'RateLimit-Remaining',
    description: 'Requests that you could make at once now',
    schema: count,
  },
  {
    key: 'RateLimitReset',
    name: 'RateLimit-Reset',
    description: 'Seconds until nothing of it is used',
    schema: count,
  },
  {
    key: 'RetryAfter',
    name: 'Retry-After',
    description: 'Seconds after which trying again makes sense',
    schema: count,
  },
  {
    key: 'Location',
    name: 'Location',
    description: 'The job',
    schema: { type: 'string', format: 'uri-reference' },
  },
  {
    key: 'IdempotencyReplayed',
    name: 'Idempotency-Replayed',
    description: '`true` where this is the answer that was given before',
    schema: { const: 'true' },
  },
  {
    key: 'PreferenceApplied',
    name: 'Preference-Applied',
    description: 'The preference that was followed',
    schema: { type: 'string' },
  },
  {
    key: 'WWWAuthenticate',
    name: 'WWW-Authenticate',
    description: 'What credential would do: `Bearer`, or `ApiKey` for `X-API-Key`',
    schema: { type: 'string' },
  },
  { key: 'ETag', name: 'ETag', description: 'Names this very answer', schema: { type: 'string' } },
  {
    key: 'CacheControl',
    name: 'Cache-Control',
    description: 'How long to keep it',
    schema: { type: 'string' },
  },
]

/** `components.parameters`. */
export const PARAMETERS = Object.fromEntries(
  REQUEST_HEADERS.map(({ key, ...header }) => [key, { in: 'header', ...header }]),
)

/** `components.headers`. */
export const HEADERS = Object.fromEntries(
  ANSWERED.map(({ key, description, schema }) => [key, { description, schema }]),
)

/** Headers of an answer, by the keys of their components. */
export function headersOf(...keys: string[]): Record<string, { $ref: string }> {
  return Object.fromEntries(
    ANSWERED.filter(({ key }) => keys.includes(key)).map(({ key, name }) => [
      name,
      { $ref: `#/components/headers/${key}` },
    ]),
  )
}

export const RATE_LIMIT = ['RateLimitLimit', 'RateLimitRemaining', 'RateLimitReset']
