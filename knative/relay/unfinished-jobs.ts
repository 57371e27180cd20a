/**
 * Counts the jobs that are not finished, which is what the pool of workers is scaled on: those in `INFERENCE`, queued or
 * running, and those that wait in a database for admission.
 *
 * The state of the stream comes from its leader, by way of its API. Every relay counts the queue, and each adds what waits
 * in the databases that it leads: so the number is the greatest of what the relays report, and not their sum. While the
 * queue cannot be counted there is no number: a zero would end workers that have jobs.
 */
import type { Log } from '../../shared/telemetry/log.ts'
import { createStateLog } from '../../shared/telemetry/state-log.ts'
import { pause } from '../../shared/pause.ts'
import type { Metrics } from './metrics.ts'
import type { StreamLink } from './stream-link.ts'

const INTERVAL_MS = 2000

export interface CountingOptions {
  link: StreamLink
  log: Log
  metrics: Metrics
  stop: AbortSignal
}

/** Keeps `relay_jobs_unfinished` up to date until `stop` aborts. */
export async function countUnfinishedJobs({ link, log, metrics, stop }: CountingOptions): Promise<void> {
  const report = createStateLog(log, 'the number of jobs')
  metrics.remove('relay_jobs_unfinished')
  while (!stop.aborted) {
    try {
      const queued = await countQueued(link)
      metrics.set('relay_jobs_unfinished', queued + (await metrics.total('relay_jobs_waiting')))
      report('known')
    } catch (error) {
      metrics.remove('relay_jobs_unfinished')
      // That NATS is unavailable is reported once, by the link.
      if (link.connected) report('unknown', error)
    }
    await pause(INTERVAL_MS, stop)
  }
}

async function countQueued(link: StreamLink): Promise<number> {
  await link.streams()
  const manager = await link.nats.manager()
  const { state } = await manager.streams.info('INFERENCE')
  return state.messages
}
