/**
 * The relay: outbox to JetStream, jobs to `INFERENCE`, events to the Broker, dead jobs to their function.
 *
 * It keeps nothing of its own. Whatever is unavailable, it keeps trying; whatever it had begun when it died, it or
 * another relay does again from the rows and messages that are not marked.
 */
import { openNatsLink } from '../../shared/nats/link.ts'
import { ensureStreams } from '../../shared/nats/ensure-streams.ts'
import type { Log } from '../../shared/telemetry/log.ts'
import { FairQueue } from './admission/fair-queue.ts'
import { createRoom } from './admission/room.ts'
import { relay, type RelayConfig } from './component.ts'
import { deadLetterJobs, ensureDeadLetters } from './dead-letter.ts'
import { forwardEvents } from './forward.ts'
import { lead } from './leader.ts'
import type { Metrics } from './metrics.ts'
import { moveTenants } from './moves/mover.ts'
import { pause } from '../../shared/pause.ts'
import { serveDatabase } from './serve-database.ts'
import { drainSilos } from './silos.ts'
import { createStateLog, type ReportState } from '../../shared/telemetry/state-log.ts'
import { createStreamLink, type StreamLink } from './stream-link.ts'
import { countUnfinishedJobs } from './unfinished-jobs.ts'

const CHECK_STREAMS_MS = 10_000

/**
 * Runs until `stop` aborts, then finishes what is in hand. Waits for NATS and every database as long as it takes.
 *
 * @param reached kept up to date with what is reached, by name
 */
export async function runRelay(
  config: RelayConfig,
  log: Log,
  metrics: Metrics,
  stop: AbortSignal,
  reached: Record<string, boolean> = {},
): Promise<void> {
  const databases = config.RELAY_DATABASE_URLS.map((url) => ({ url, database: nameOf(url) }))
  for (const { database } of databases) reached[database] = false
  reached['nats'] = false
  const link = openLink(config, log, metrics, reached)
  const room = createRoom(link, config.JOBS_IN_FLIGHT)
  const queue = new FairQueue()
  const drain = (url: string, stopped: AbortSignal, isReached?: (is: boolean) => void) => {
    const database = nameOf(url)
    const settings = { brokerUrl: config.BROKER_URL, clockSeconds: config.CLOCK_SECONDS }
    const options = { url, database, link, room, queue, log, metrics, ...settings }
    const reportState = createStateLog(log, `database ${database}`)
    const report: ReportState = (state, error) => {
      isReached?.(error === undefined)
      reportState(state, error)
    }
    return lead(url, (session) => serveDatabase(session, options), report, stopped)
  }
  await Promise.all([
    ...databases.map(({ url, database }) => drain(url, stop, (is) => (reached[database] = is))),
    ...databases.map(({ url }) => drainSilos({ url, log, stop, drain })),
    ...(config.MOVER_DATABASE_URL === undefined ? [] : [moveTenants(config.MOVER_DATABASE_URL, log, stop)]),
    keepStreams(link, log, stop),
    countUnfinishedJobs({ link, log, metrics, stop }),
    deadLetterJobs({ link, log, metrics, stop }),
    forwardEvents({
      link,
      brokerUrl: config.BROKER_URL,
      concurrency: config.FORWARD_CONCURRENCY,
      log,
      metrics,
      stop,
    }),
  ])
  await link.nats.close()
}

function openLink(
  config: RelayConfig,
  log: Log,
  metrics: Metrics,
  reached: Record<string, boolean>,
): StreamLink {
  const nats = openNatsLink(config.NATS_URL, relay.name)
  const reportNats = createStateLog(log, 'NATS')
  metrics.set('relay_nats_connected', 0)
  nats.watch((nc) => {
    reached['nats'] = nc !== undefined
    metrics.set('relay_nats_connected', nc === undefined ? 0 : 1)
    reportNats(nc === undefined ? 'unavailable' : 'connected')
  })
  return createStreamLink(nats, async (nc) => {
    await ensureDeadLetters(nc, config.STREAM_REPLICAS)
    return ensureStreams(nc, {
      replicas: config.STREAM_REPLICAS,
      ackWaitSeconds: config.ACK_WAIT_SECONDS,
      brokerSubjects: config.BROKER_SUBJECTS,
    })
  })
}

/** Workers and the hub need the streams too, whether or not the relay has anything to publish. */
async function keepStreams(link: StreamLink, log: Log, stop: AbortSignal): Promise<void> {
  const report = createStateLog(log, 'streams')
  while (!stop.aborted) {
    try {
      if (link.connected) await link.streams()
      report('exist')
    } catch (error) {
      if (link.connected) report('cannot be checked', error)
    }
    await pause(CHECK_STREAMS_MS, stop)
    link.doubt()
  }
}

/** Host and database name: enough to distinguish databases, and no password. */
function nameOf(url: string): string {
  const { host, pathname } = new URL(url)
  return `${host}${pathname}`
}
