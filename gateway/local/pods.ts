/**
 * Pods that the gateway may go to directly. With Knative, the ingress learns from Endpoints when the activator has
 * left the path of a function; the stand-in for Knative reports the same by a feed, and expects in return how
 * busy its pods were made. Where there is no feed, everything goes to the cluster's ingress.
 */
import { setTimeout } from 'node:timers/promises'
import { request } from 'undici'
import { z } from 'zod'
import { readServerSentEvents } from '../../shared/http/server-sent-events.ts'
import type { Log } from '../../shared/telemetry/log.ts'

const Feed = z.object({
  reportMilliseconds: z.number().positive(),
  functions: z.record(z.string(), z.array(z.string())),
})
export type Feed = z.infer<typeof Feed>

/** A pod that was chosen for one request. */
export interface Chosen {
  origin: string
  /** To be called once, when the request is over. */
  release(): void
}

export interface Pods {
  /** Chooses a pod of the function at `host`; undefined where the ingress has to. */
  choose: (host: string) => Chosen | undefined
  /** Applies a message of the feed. */
  update(feed: Feed['functions']): void
  /** Requests in flight on average since the last call, by function. */
  takeConcurrency(): Record<string, number>
}

interface Fleet {
  name: string
  origins: string[]
  next: number
  inFlight: number
  /** Requests in flight times milliseconds, since the last report. */
  busy: number
  since: number
}

/** @param onGone called for each pod that is no longer there */
export function createPods(onGone: (origin: string) => void, clock = () => performance.now()): Pods {
  const fleets = new Map<string, Fleet>()
  let reported = clock()

  /** Adds up how busy the fleet was until now. */
  function tally(fleet: Fleet, change: number): void {
    const now = clock()
    fleet.busy += fleet.inFlight * (now - fleet.since)
    fleet.since = now
    fleet.inFlight += change
  }

  function fleetOf(name: string): Fleet {
    const known = fleets.get(name)
    if (known !== undefined) return known
    const fleet = { name, origins: [], next: 0, inFlight: 0, busy: 0, since: clock() }
    fleets.set(name, fleet)
    return fleet
  }

  return {
    choose(host) {
      const fleet = fleets.get(host.slice(0, host.indexOf('.')))
      const origin = fleet?.origins[fleet.next++ % fleet.origins.length]
      if (fleet === undefined || origin === undefined) return undefined
      tally(fleet, 1)
      return { origin, release: () => tally(fleet, -1) }
    },
    update(functions) {
      const before = [...fleets.values()].flatMap(({ origins }) => origins)
      for (const fleet of fleets.values()) fleet.origins = []
      for (const [name, addresses] of Object.entries(functions)) {
        fleetOf(name).origins = addresses.map((address) => `http://${address}`)
      }
      const after = new Set([...fleets.values()].flatMap(({ origins }) => origins))
      for (const origin of before) if (!after.has(origin)) onGone(origin)
    },
    takeConcurrency() {
      const elapsed = clock() - reported
      reported += elapsed
      const averages: Record<string, number> = {}
      for (const fleet of fleets.values()) {
        tally(fleet, 0)
        if (fleet.busy > 0 && elapsed > 0) averages[fleet.name] = fleet.busy / elapsed
        fleet.busy = 0
      }
      return averages
    },
  }
}

const RETRY_MS = 1_000

/** Keeps `pods` as the feed at `ingress` lists them, until `stop` aborts. While the feed is unavailable there are none. */
export async function followFeed(ingress: string, pods: Pods, log: Log, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    try {
      await readFeed(`http://${ingress}`, pods, stop)
    } catch (error) {
      log.debug({ err: error }, 'there is no feed of endpoints')
    }
    pods.update({})
    await setTimeout(RETRY_MS, undefined, { signal: stop }).catch(() => undefined)
  }
}

async function readFeed(origin: string, pods: Pods, stop: AbortSignal): Promise<void> {
  const { statusCode, body } = await request(`${origin}/endpoints`, { signal: stop, bodyTimeout: 0 })
  if (statusCode !== 200) return body.dump()
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const { data } of readServerSentEvents(body)) {
      const feed = Feed.parse(JSON.parse(data))
      pods.update(feed.functions)
      timer ??= setInterval(() => void report(origin, pods), feed.reportMilliseconds)
    }
  } finally {
    clearInterval(timer)
  }
}

/** A report that is lost matters little: the next one comes soon. */
async function report(origin: string, pods: Pods): Promise<void> {
  const averages = pods.takeConcurrency()
  if (Object.keys(averages).length === 0) return
  try {
    const body = JSON.stringify(averages)
    const answer = await request(`${origin}/concurrency`, { method: 'POST', body })
    await answer.body.dump()
  } catch {
    // the feed breaks off as well then, and is opened again
  }
}
