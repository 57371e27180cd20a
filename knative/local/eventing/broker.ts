/**
 * The Broker and its Triggers: takes CloudEvents, and brings each to every subscriber whose filters it matches.
 *
 * An event is answered 202 once it is in the journal, as with a durable channel: what is accepted is delivered at
 * least once or becomes a dead letter, in no particular order. Attempts go through the activator, so that events wake
 * functions as requests do.
 */
import { randomUUID } from 'node:crypto'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { Broker, Trigger } from '../../objects.ts'
import { withAttributes, type BrokerEvent } from './broker-event.ts'
import { toDeadLetter, type DeadLetters } from './dead-letters.ts'
import type { Courier, Outcome, Parcel } from './delivery.ts'
import { readDeliveryPolicy, type DeliveryPolicy } from './delivery-policy.ts'
import { resolveDestination } from './destination.ts'
import { compileFilters, type Predicate } from './filters.ts'
import type { Journal } from './journal.ts'
import { createLimit } from './limit.ts'

/** What the journal keeps of one delivery; data as base64. */
export interface JournalEntry {
  trigger: string
  attributes: BrokerEvent['attributes']
  contentType?: string
  headers: Record<string, string>
  data: string
}

export interface BrokerOptions {
  broker: Broker
  triggers: readonly Trigger[]
  courier: Courier
  journal: Journal<JournalEntry>
  deadLetters: DeadLetters
  log: Log
}

type Acceptance = 'accepted' | 'in a loop' | 'full'

export interface LocalBroker {
  /** Keeps `parcel` for all that want it; it is kept when this returns. */
  accept(parcel: Parcel): Acceptance
  /** Goes on with what an earlier process left unfinished. */
  resume(): void
  /** Deliveries begun and not finished. */
  readonly unfinished: number
  /** Resolves when nothing is under way any more; the courier has to be stopped. */
  settle(): Promise<void>
}

/** Hops that an event may make through the Broker as a reply to itself. */
const TTL = 'knativebrokerttl'
const FIRST_TTL = 255

/** Attempts under way at once for one Trigger; a flood of events must not become a flood of processes. */
const MAX_ATTEMPTS_AT_ONCE = 100
/** Unfinished deliveries from which on the sender has to wait. */
const MAX_UNFINISHED = 10_000

/** What the Broker does for one Trigger. */
interface TriggerRoute {
  name: string
  matches: Predicate
  url: URL
  policy: DeliveryPolicy
  sink: URL | undefined
  limit: ReturnType<typeof createLimit>
}

/** @throws TypeError where a Trigger needs what the stand-in cannot do */
export const createBroker = (options: BrokerOptions): LocalBroker => new BrokerInProcess(options)

class BrokerInProcess implements LocalBroker {
  readonly #options: BrokerOptions
  readonly #routes: ReadonlyMap<string, TriggerRoute>
  readonly #underWay = new Set<Promise<void>>()

  constructor(options: BrokerOptions) {
    const { broker, triggers } = options
    const own = triggers.filter(({ spec }) => spec.broker === broker.metadata.name)
    this.#options = options
    this.#routes = new Map(own.map((trigger) => [trigger.metadata.name, routeOf(trigger, broker)]))
  }

  accept(parcel: Parcel): Acceptance {
    const { journal } = this.#options
    const ttl = nextTtl(parcel.event)
    if (ttl === 0) return 'in a loop'
    if (journal.unfinished.size >= MAX_UNFINISHED) return 'full'
    const event = withAttributes(parcel.event, { [TTL]: String(ttl) })
    for (const route of this.#routes.values()) {
      if (!route.matches(event.attributes)) continue
      const id = randomUUID()
      journal.begin(id, toEntry(route.name, { ...parcel, event }))
      this.#begin(id, route, { ...parcel, event })
    }
    return 'accepted'
  }

  resume(): void {
    const { journal, deadLetters } = this.#options
    for (const [id, entry] of journal.unfinished) {
      const route = this.#routes.get(entry.trigger)
      const parcel = toParcel(entry)
      if (route !== undefined) this.#begin(id, route, parcel)
      else {
        deadLetters.write(entry.trigger, parcel.event)
        journal.done(id)
      }
    }
  }

  get unfinished(): number {
    return this.#options.journal.unfinished.size
  }

  async settle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  #begin(id: string, route: TriggerRoute, parcel: Parcel): void {
    const { journal, log } = this.#options
    const work = this.#deliver(route, parcel)
      .then(() => journal.done(id))
      .catch((error: unknown) => log.debug({ err: error, trigger: route.name }, 'delivery is left for later'))
      .finally(() => this.#underWay.delete(work))
    this.#underWay.add(work)
  }

  /** @throws when the courier was stopped: then the journal keeps it */
  async #deliver(route: TriggerRoute, parcel: Parcel): Promise<void> {
    const { courier, log } = this.#options
    const { name, url, policy, limit } = route
    const { [TTL]: ttl } = parcel.event.attributes
    const visible = { ...parcel, event: withAttributes(parcel.event, { [TTL]: undefined }) }
    const outcome = await courier.deliver(visible, url, policy, limit)
    if (outcome.kind === 'failed') return this.#deadLetter(route, visible, outcome)
    if (outcome.reply === undefined) return
    const reply = { ...parcel, event: withAttributes(outcome.reply, { [TTL]: ttl }) }
    const acceptance = this.accept(reply)
    if (acceptance !== 'accepted') log.warn({ trigger: name, acceptance }, 'reply is dropped')
  }

  async #deadLetter(
    { name, url, sink, policy, limit }: TriggerRoute,
    parcel: Parcel,
    { status, body }: Extract<Outcome, { kind: 'failed' }>,
  ): Promise<void> {
    const { courier, deadLetters, log } = this.#options
    const letter = { ...parcel, event: toDeadLetter(parcel.event, url, status, body) }
    log.warn({ trigger: name, status, event: parcel.event.attributes.id }, 'event is a dead letter')
    const outcome = sink === undefined ? undefined : await courier.deliver(letter, sink, policy, limit)
    if (outcome?.kind !== 'delivered') deadLetters.write(name, letter.event)
  }
}

function routeOf(trigger: Trigger, broker: Broker): TriggerRoute {
  const { name, namespace } = trigger.metadata
  const policy = readDeliveryPolicy(trigger.spec.delivery, broker.spec.delivery)
  const { deadLetterSink } = policy
  return {
    name,
    matches: compileFilters(trigger),
    url: resolveDestination(trigger.spec.subscriber, namespace),
    policy,
    sink: deadLetterSink === undefined ? undefined : resolveDestination(deadLetterSink, namespace),
    limit: createLimit(MAX_ATTEMPTS_AT_ONCE),
  }
}

function nextTtl({ attributes }: BrokerEvent): number {
  const given = Number(attributes[TTL] ?? FIRST_TTL + 1)
  return Number.isInteger(given) ? Math.max(0, given - 1) : FIRST_TTL
}

function toEntry(trigger: string, { event, headers }: Parcel): JournalEntry {
  const { attributes, contentType, data } = event
  return {
    trigger,
    attributes,
    headers,
    data: data.toString('base64'),
    ...(contentType === undefined ? {} : { contentType }),
  }
}

function toParcel({ attributes, contentType, data, headers }: JournalEntry): Parcel {
  return { event: { attributes, contentType, data: Buffer.from(data, 'base64') }, headers }
}
