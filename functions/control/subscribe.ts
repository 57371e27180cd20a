/**
 * Grants subscriptions to a tenant's AGENTESE events. It streams nothing itself: the stream hub makes this same call
 * with the client's credential, and a 200 is its permission to stream what the answer lists.
 */
import { z } from 'zod'
import { parsePattern, type Pattern } from '../../shared/agentese/pattern.ts'
import { similarPaths } from '../../shared/agentese/path.ts'
import { createVisibility, type Visibility } from '../../shared/contract/visibility.ts'
import type { Call } from '../../shared/contract/call.ts'
import { wholeNumber } from '../../shared/contract/query-values.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { Instant } from '../../shared/instant.ts'
import { SUBSCRIPTION_PATH, SUBSCRIPTION_SCOPES } from '../../shared/events/subscription-stream.ts'
import { DELIVERIES, EVENT_KINDS, SubscriptionTerms } from '../../shared/events/subscription.ts'
import { Failure } from '../../shared/failures.ts'
import { newId } from '../../shared/new-id.ts'

const MAX_PATTERNS = 10
const MAX_ASPECTS = 50
const MAX_AVAILABLE = 20
/** The largest sequence number that a number holds exactly has 16 digits. */
const SEQUENCE = /^\d{1,15}$/

const SubscribeInput = z.strictObject({
  /** Up to 10, separated by commas. */
  pattern: z.string().max(2100).optional(),
  aspects: z.string().max(3300).optional(),
  types: z.string().max(100).optional(),
  delivery: z.enum(DELIVERIES).optional(),
  /** Of an at-least-once subscription: resumes it, or creates one under this id where there is a `pattern`. */
  subscription: z.uuid().toLowerCase().optional(),
  from: z.union([Instant, z.string().regex(SEQUENCE)]).optional(),
  buffer: wholeNumber(1, 10_000).default(1000),
  /** As the header `Last-Event-ID`, for clients that cannot send it. */
  last_event_id: z.string().regex(SEQUENCE).optional(),
})
type SubscribeInput = z.infer<typeof SubscribeInput>

const Grant = z.strictObject({
  subscription: SubscriptionTerms,
  /** Paths of the catalog whose events can be delivered now. */
  paths: z.array(z.string()),
  rule: z.string(),
  links: z.strictObject({ stream: z.string(), self: z.string().optional(), ack: z.string().optional() }),
  hint: z.string(),
})

export const subscribe = defineOperation({
  name: 'subscribe',
  summary: 'Grants subscriptions to AGENTESE events',
  routes: {
    open: route({
      route: `GET ${SUBSCRIPTION_PATH}`,
      summary: 'Follow what happens on paths: with "Accept: text/event-stream" as a stream of events',
      permission: 'agentese:read',
      scopes: SUBSCRIPTION_SCOPES,
      needs: ['catalog'],
      input: SubscribeInput,
      output: Grant,
      examples: [{ summary: 'All that happens to entropy', input: { pattern: 'void.entropy.*' } }],
      streams: true,
      handle: grant,
    }),
  },
})

async function grant(
  input: SubscribeInput,
  { identity, observer, catalog }: Pick<Call, 'identity' | 'observer' | 'catalog'>,
): Promise<z.infer<typeof Grant>> {
  checkId(input)
  checkOrigin(input)
  const patterns = readPatterns(input)
  const paths = visiblePaths(patterns, observer.archetype, createVisibility(await catalog()))
  const aspects = readAspects(input.aspects)
  const subscription: SubscriptionTerms = {
    id: input.subscription ?? newId(),
    tenant: identity.tenant,
    user: identity.user,
    archetype: observer.archetype,
    patterns: patterns.map(({ text }) => text),
    types: readTypes(input.types),
    delivery: deliveryOf(input),
    buffer: input.buffer,
    ...(aspects === undefined ? {} : { aspects }),
    ...(input.from === undefined ? {} : { from: input.from }),
  }
  return {
    subscription,
    paths,
    rule: `An event is delivered where "${observer.archetype}" has the verb of its path, checked for each event`,
    links: linksOf(subscription),
    hint: 'GET links.stream with "Accept: text/event-stream" to follow the events',
  }
}

function deliveryOf({ delivery, subscription }: SubscribeInput): SubscriptionTerms['delivery'] {
  return delivery ?? (subscription === undefined ? 'at-most-once' : 'at-least-once')
}

function checkId(input: SubscribeInput): void {
  if (input.subscription === undefined || deliveryOf(input) === 'at-least-once') return
  throw mismatch('subscription: only an at-least-once subscription has an id to go on with', {
    suggestion: 'Resume an at-most-once stream by Last-Event-ID',
  })
}

/** A clock may be ahead of ours by so much. */
const AHEAD_MS = 60_000

function checkOrigin({ from = '' }: SubscribeInput): void {
  if (SEQUENCE.test(from) || !(Date.parse(from) > Date.now() + AHEAD_MS)) return
  throw mismatch(`from: "${from}" is yet to come`, {
    suggestion: 'Without "from", events from now on are delivered',
  })
}

/** @throws Failure PATH_SYNTAX, or TYPE_MISMATCH where there are none or too many */
function readPatterns({ pattern, subscription }: SubscribeInput): Pattern[] {
  const texts = pattern === undefined ? [] : listOf(pattern)
  if (texts.length > MAX_PATTERNS)
    throw mismatch(`pattern: there are ${texts.length} of at most ${MAX_PATTERNS}`)
  if (texts.length === 0 && subscription === undefined) {
    throw mismatch('pattern: there is none', { suggestion: 'Send something like ?pattern=self.memory.*' })
  }
  return texts.map(parsePattern)
}

/** @throws Failure where a pattern fits nothing that could be delivered */
function visiblePaths(patterns: readonly Pattern[], archetype: string, visibility: Visibility): string[] {
  const visible = patterns.flatMap((pattern) => {
    const known = visibility.known(pattern)
    const seen = known.filter((path) => visibility.sees(archetype, path))
    if (seen.length === 0 && !visibility.reachesOwn(pattern))
      throw nothingToTell(pattern, known, archetype, visibility)
    return seen
  })
  return [...new Set(visible)].sort()
}

function nothingToTell(
  pattern: Pattern,
  known: readonly string[],
  archetype: string,
  visibility: Visibility,
): Failure {
  const all = visibility.known(parsePattern('**'))
  if (known.length === 0) {
    return new Failure('NODE_NOT_REGISTERED', `Cannot subscribe to "${pattern.text}": no path fits it`, {
      suggestion: 'GET /v1/agentese/discover lists every path',
      available: similarPaths(pattern.text, all),
    })
  }
  return new Failure('AFFORDANCE_DENIED', `Cannot subscribe to "${pattern.text}" as "${archetype}"`, {
    suggestion: 'Subscribe to one of the available paths, or observe as another archetype',
    available: all.filter((path) => visibility.sees(archetype, path)).slice(0, MAX_AVAILABLE),
  })
}

function readAspects(text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined
  const aspects = listOf(text)
  const bad = aspects.find((aspect) => !/^[a-z][a-z0-9_]{0,63}$/.test(aspect))
  if (bad !== undefined) throw mismatch(`aspects: "${bad}" is not a verb`)
  if (aspects.length > MAX_ASPECTS)
    throw mismatch(`aspects: there are ${aspects.length} of at most ${MAX_ASPECTS}`)
  return aspects
}

function readTypes(text: string | undefined): SubscriptionTerms['types'] {
  if (text === undefined) return [...EVENT_KINDS]
  return listOf(text).map((name) => {
    const kind = EVENT_KINDS.find((known) => known === name)
    if (kind === undefined)
      throw mismatch(`types: "${name}" is none of ${EVENT_KINDS.join(', ')}`, { available: EVENT_KINDS })
    return kind
  })
}

/** Members of a comma list, each once. */
function listOf(text: string): string[] {
  return [...new Set(text.split(',').map((member) => member.trim()))]
}

function mismatch(what: string, facts: { suggestion?: string; available?: readonly string[] } = {}): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot read the input of subscribe.open: ${what}`, facts)
}

/** The address of the stream; with it, an at-least-once client finds its subscription again. */
function linksOf({ id, patterns, delivery, types, aspects, from, buffer }: SubscriptionTerms) {
  const lasting = delivery === 'at-least-once'
  const query = new URLSearchParams({
    ...(patterns.length === 0 ? {} : { pattern: patterns.join(',') }),
    ...(aspects === undefined ? {} : { aspects: aspects.join(',') }),
    ...(types.length === EVENT_KINDS.length ? {} : { types: types.join(',') }),
    delivery,
    ...(lasting ? { subscription: id } : {}),
    ...(from === undefined ? {} : { from }),
    buffer: String(buffer),
  })
  const self = `${SUBSCRIPTION_PATH}/${id}`
  return {
    stream: `${SUBSCRIPTION_PATH}?${query.toString()}`,
    ...(lasting ? { self, ack: `${self}/ack` } : {}),
  }
}
