/**
 * Subscriptions at the hub: who may stream is decided by the function `subscribe`, asked with the client's credential;
 * the hub streams, checks each event against what was granted, and takes acknowledgements.
 */
import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'
import {
  createVisibility,
  type Visibility,
  type VisibleFunction,
} from '../../../shared/contract/visibility.ts'
import { Acks, SUBSCRIPTION_PATH, SUBSCRIPTION_SCOPES } from '../../../shared/events/subscription-stream.ts'
import { SubscriptionGrant, type SubscriptionTerms } from '../../../shared/events/subscription.ts'
import { Failure, failureFrom } from '../../../shared/failures.ts'
import { readCredential } from '../../../shared/http/credential.ts'
import type { StoredIdentity } from '../../../shared/identity/identity.ts'
import { requirePermission, requireScopes } from '../../../shared/pipeline/check-access.ts'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Registry } from '../../../shared/telemetry/metrics.ts'
import { ANSWERS } from '../../answers.ts'
import type { Body } from '../../upstream/collect-body.ts'
import type { ReadCaller } from '../callers.ts'
import type { Revocations } from '../revocations.ts'
import { answerJson, passOn, type Client } from '../client.ts'
import { passedHeaders, type Functions } from '../functions.ts'
import type { NatsLink } from '../../../shared/nats/link.ts'
import { readLastEventId } from '../preference.ts'
import { createDurableConsumers, type DurableConsumers, type DurableTimes } from './durable-consumers.ts'
import { createSubscriptionMetrics } from './metrics.ts'
import type { Origin } from './replay.ts'
import { createStreaming, type Streaming, type StreamingTimes } from './streaming.ts'
import { Wanted } from './wanted.ts'

/** How long a credential is believed without another question. */
const BELIEVED_MS = 1500

export interface SubscriptionTimes extends StreamingTimes, DurableTimes {}

export interface SubscriptionOptions {
  catalog: readonly VisibleFunction[]
  functions: Functions
  link: NatsLink
  readCaller: ReadCaller
  registry: Registry
  revocations: Revocations
  log: Log
  times: SubscriptionTimes
}

export interface Subscriptions {
  /** Streams what the client subscribes to, or answers why not. */
  open(client: Client): Promise<void>
  acknowledge(client: Client, id: string, body: Body): Promise<void>
  remove(client: Client, id: string): Promise<void>
  /** Ends all streams: clients resume them elsewhere. */
  end(): void
}

export const createSubscriptions = (options: SubscriptionOptions): Subscriptions =>
  new HubSubscriptions(options)

class HubSubscriptions implements Subscriptions {
  readonly #options: SubscriptionOptions
  readonly #visibility: Visibility
  readonly #consumers: DurableConsumers
  readonly #streaming: Streaming
  /** Credentials that were good a moment ago, by their hashes. */
  readonly #good = new LRUCache<string, true>({ max: 10_000, ttl: BELIEVED_MS })

  constructor(options: SubscriptionOptions) {
    const { catalog, link, registry, log, revocations, times } = options
    const metrics = createSubscriptionMetrics(registry)
    this.#options = options
    this.#visibility = createVisibility(catalog)
    this.#consumers = createDurableConsumers(link, times)
    this.#streaming = createStreaming({
      link,
      log,
      metrics,
      consumers: this.#consumers,
      revocations,
      times,
    })
  }

  async open(client: Client): Promise<void> {
    const { functions, readCaller } = this.#options
    const { request, target, left } = client
    const call = {
      method: 'GET',
      path: target.path + target.query,
      headers: passedHeaders(request.headers),
      signal: left,
    }
    const answer = await functions.call('subscribe', call)
    if (answer.status !== 200) return passOn(client, answer)
    const { subscription: requested } = SubscriptionGrant.parse(JSON.parse(await answer.body.text()))
    const caller = await readCaller(request.headers)
    if (caller?.tenant !== requested.tenant) throw ANSWERS.functionUnavailable
    this.#streaming.checkRoom(requested.tenant)
    const origin = originOf(requested, readLastEventId(request.headers, target.query))
    const { terms, resumed } =
      requested.delivery === 'at-least-once'
        ? await this.#keep(requested, origin)
        : { terms: requested, resumed: false }
    const wanted = new Wanted(terms, this.#visibility)
    const ask = () => this.#checkAgain(call, wanted)
    await this.#streaming.open(client, { terms, wanted, resumed, origin, ask })
  }

  async acknowledge(client: Client, id: string, body: Body): Promise<void> {
    const owner = await this.#ownerOf(client)
    const acks = readAcks(body)
    if ((await this.#consumers.find(owner, id)) === undefined) throw notFound(id)
    const taken = await this.#consumers.acknowledge(owner, id, acks)
    answerJson(client, 200, {
      acknowledged: taken.filter(Boolean).length,
      unknown: acks.filter((_, at) => taken[at] === false),
    })
  }

  async remove(client: Client, id: string): Promise<void> {
    const owner = await this.#ownerOf(client)
    if ((await this.#consumers.find(owner, id)) === undefined) throw notFound(id)
    await this.#consumers.delete(owner, id)
    answerJson(client, 200, { subscription: { id, status: 'ended' } })
  }

  end(): void {
    this.#streaming.end()
  }

  /** The consumer behind an at-least-once subscription, made where it is not there; answers its own terms. */
  async #keep(
    requested: SubscriptionTerms,
    origin: Origin | undefined,
  ): Promise<{ terms: SubscriptionTerms; resumed: boolean }> {
    const kept = await this.#consumers.find(requested, requested.id)
    if (kept === undefined) {
      if (requested.patterns.length === 0) throw notFound(requested.id)
      await this.#consumers.create(requested, new Wanted(requested, this.#visibility).subjects, origin)
      return { terms: requested, resumed: false }
    }
    if (requested.patterns.length > 0 && filterOf(requested) !== filterOf(kept)) {
      throw new Failure(
        'STATE_CONFLICT',
        `Cannot change subscription "${requested.id}": it follows other events`,
        {
          suggestion: 'Leave out pattern, aspects and types to go on with it, or begin another one',
          details: { patterns: kept.patterns, aspects: kept.aspects ?? null, types: kept.types },
        },
      )
    }
    return { terms: { ...kept, archetype: requested.archetype }, resumed: true }
  }

  /** Whether the client may still stream, and as which archetype now. Where nobody can answer, it may. */
  async #checkAgain(
    call: Parameters<Functions['callJson']>[1],
    wanted: Wanted,
  ): Promise<Failure | undefined> {
    const { functions, log } = this.#options
    try {
      const { status, body } = await functions.callJson('subscribe', call)
      const grant = SubscriptionGrant.safeParse(body)
      if (status === 200 && grant.success) wanted.observeAs(grant.data.subscription.archetype)
      return [401, 403, 404].includes(status) ? failureFrom(body) : undefined
    } catch (error) {
      log.debug({ err: error }, 'a subscription could not be checked again')
      return undefined
    }
  }

  /** A token that was revoked meanwhile looks as good as before: the function that grants subscriptions knows better. */
  async #checkStill(headers: IncomingHttpHeaders): Promise<void> {
    const { authorization = '', 'x-api-key': key = '' } = headers
    const name = createHash('sha256')
      .update(JSON.stringify([authorization, key]))
      .digest('base64url')
    if (this.#good.has(name)) return
    const path = `${SUBSCRIPTION_PATH}?pattern=void.*.*`
    const call = { method: 'GET', path, headers: passedHeaders(headers) }
    const { functions, log } = this.#options
    const answer = await functions.callJson('subscribe', call).catch((error: unknown) => {
      log.debug({ err: error }, 'a credential could not be checked again')
      return undefined
    })
    if (answer === undefined) return
    if ([401, 403].includes(answer.status)) throw failureFrom(answer.body)
    this.#good.set(name, true)
  }

  /** Whoever may subscribe may also acknowledge and end what is its own. */
  async #ownerOf({ request }: Client): Promise<StoredIdentity> {
    const caller = await this.#options.readCaller(request.headers)
    if (caller === undefined) {
      throw readCredential(request.headers).kind === 'none' ? ANSWERS.tokenMissing : ANSWERS.tokenInvalid
    }
    await this.#checkStill(request.headers)
    requirePermission('subscribe', 'agentese:read', caller)
    requireScopes('subscribe', SUBSCRIPTION_SCOPES, caller)
    return caller
  }
}

function originOf({ from }: SubscriptionTerms, lastEventId: number): Origin | undefined {
  if (lastEventId >= 0) return { sequence: lastEventId + 1 }
  if (from === undefined) return undefined
  return /^\d+$/.test(from) ? { sequence: Number(from) } : { time: new Date(from).toISOString() }
}

/** What decides which events a subscription is about, in one text. */
function filterOf({ patterns, aspects, types }: SubscriptionTerms): string {
  return JSON.stringify([patterns, aspects ?? [], types].map((names) => [...names].sort()))
}

function readAcks(body: Body): string[] {
  const read = Acks.safeParse(parse(body?.toString('utf8') ?? ''))
  if (read.success) return read.data.acks
  throw new Failure(
    'TYPE_MISMATCH',
    'Cannot read the input of subscribe.ack: "acks" is no list of 1 to 1000 acks',
    { suggestion: 'Send the "ack" of each event, such as {"acks": ["1.42.7.1767225600000000000.0"]}' },
  )
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Said of another's subscription as of none. */
function notFound(id: string): Failure {
  return new Failure('NOT_FOUND', `Cannot find subscription "${id}"`, {
    suggestion: 'Begin one with GET /v1/agentese/subscribe?pattern=...&delivery=at-least-once',
  })
}
