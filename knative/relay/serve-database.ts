/**
 * The work of the relay that leads one database: events out, jobs in, and sleep while there is neither.
 *
 * Trouble with NATS is waited out here, with the session kept alive; trouble with the database ends the session,
 * and whoever gets the lock next goes on from the rows that are not marked.
 */
import { NatsError } from 'nats'
import type { StreamState } from '../../shared/nats/ensure-streams.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { createClock } from './clock.ts'
import { createAdmission } from './admission/admission.ts'
import type { FairQueue } from './admission/fair-queue.ts'
import type { Room } from './admission/room.ts'
import { createJobExpiry } from './job-expiry.ts'
import { openHousekeeping } from './housekeeping.ts'
import type { Session } from './leader.ts'
import { openMetering } from './metering.ts'
import type { Metrics } from './metrics.ts'
import { createOutbox, NotStored, type Outbox } from './outbox.ts'
import { backoff, pause, within } from '../../shared/pause.ts'
import { createRecovery } from './recovery.ts'
import { createSinks } from './sinks.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import type { StreamLink } from './stream-link.ts'
import { BEGINNING, readWaiting, type Cursor, type Waiting } from './waiting.ts'
import { createWake, type Found, type Wake } from './wake.ts'

/** A cycle that takes longer hangs on a dead connection: acknowledgements, statements and naps end well before. */
const CYCLE_SECONDS = 30
const CHECK_INTERVAL_MS = 50

export interface ServeOptions {
  url: string
  /** Host and name of the database, for logs and figures. */
  database: string
  link: StreamLink
  room: Room
  queue: FairQueue
  log: Log
  metrics: Metrics
  brokerUrl: string
  clockSeconds: number
}

export async function serveDatabase(session: Session, options: ServeOptions): Promise<void> {
  const { sql, ended } = session
  const { url, database, link, log, metrics } = options
  const { wake, sinks, admission, outbox, recovery, expiry, clock } = openParts(session, options)
  const reportStoring = createStateLog(log, `publishing from ${database}`)
  let arrivals = BEGINNING
  let failures = 0
  let checked: Promise<readonly StreamState[]> | undefined
  let nextCheck = 0

  /** What has to agree with the streams; often enough, and at once where a stream may be another one than before. */
  async function checkStreams(streams: Promise<readonly StreamState[]>): Promise<void> {
    const states = await streams
    const recovered = await recovery.check(states)
    await allOrThrow([expiry.check(), admission.check(), clock.check(), sinks.check(states)])
    checked = recovered ? streams : undefined
    nextCheck = performance.now() + CHECK_INTERVAL_MS
  }

  async function passOn(): Promise<Found> {
    const streams = link.streams()
    if (streams !== checked || performance.now() >= nextCheck) await checkStreams(streams)
    const { events, arrived, outlook } = await readAndWrite(sql, { wake, outbox, arrivals })
    const [, admitted] = await allOrThrow([outbox.publish(events), admission.admit(arrived)])
    arrivals = arrived.at(-1) ?? arrivals
    return { moved: events.length + arrived.length + admitted > 0, outlook, full: admission.full }
  }

  async function cycle(): Promise<void> {
    if (!link.connected) {
      await outbox.mark('all')
      return waitForNats(session, link)
    }
    try {
      const found = await passOn()
      reportStoring('works')
      failures = 0
      await wake.next(found)
    } catch (error) {
      if (!(error instanceof NotStored || error instanceof NatsError)) throw error
      // That NATS is unavailable is reported once, by the link.
      if (link.connected) reportStoring('fails and is tried again', error)
      failures += 1
      await pause(backoff(failures, 25, 1000), ended)
    }
  }

  const housekeeping = openHousekeeping({ url, database, metrics, onNotify: wake.hint, link, log })
  const metering = openMetering({ url, database, metrics, log })
  metrics.set('relay_leading', 1, { database })
  try {
    while (!ended.aborted) await within(CYCLE_SECONDS, cycle())
    if (!session.lost.aborted) await Promise.all([outbox.mark('all'), wake.end()])
  } finally {
    admission.close()
    await Promise.all([housekeeping.close(), metering.close(), clock.close()])
  }
}

/** What works on this database, for as long as this relay leads it. */
function openParts({ sql, ended }: Session, options: ServeOptions) {
  const { database, link, room, queue, log, metrics, brokerUrl, clockSeconds } = options
  const wake = createWake(sql, metrics, ended)
  const sinks = createSinks({ sql, link, log, metrics })
  const admission = createAdmission({ sql, link, room, queue, log, metrics, onFreed: wake.hint })
  const onPublished = (subjects: readonly string[], event: KgentsEvent) => {
    sinks.notice(subjects)
    admission.notice(event)
  }
  const outbox = createOutbox({ sql, link, log, metrics, onPublished })
  const recovery = createRecovery(sql, link, outbox, log)
  const expiry = createJobExpiry(sql, link, log)
  const clock = createClock({ sql, brokerUrl, seconds: clockSeconds, log, metrics, database })
  return { wake, sinks, admission, outbox, recovery, expiry, clock }
}

interface Writing {
  wake: Wake
  outbox: Outbox
  /** How far the jobs that wait are known. */
  arrivals: Cursor
}

/** What is to be written goes with the read: the driver sends it all together, and it runs in this order. */
async function readAndWrite(sql: Session['sql'], { wake, outbox, arrivals }: Writing): Promise<Waiting> {
  const [, , waiting] = await allOrThrow([
    wake.announce(),
    outbox.mark(wake.asleep ? 'all' : 'due'),
    readWaiting(sql, { outbox: outbox.cursor, arrivals }),
  ])
  return waiting
}

async function waitForNats({ sql, ended }: Session, link: StreamLink): Promise<void> {
  // A session without statements is ended by the server.
  await sql`select 1`
  await link.nats.ready(AbortSignal.any([ended, AbortSignal.timeout(1000)]))
}

/** Waits for all, so that nothing runs on when one of them fails. */
async function allOrThrow<T extends unknown[]>(work: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(work)
  return Promise.all(work) as Promise<T> // reason: a tuple of promises, of which the library says that it may be a list
}
