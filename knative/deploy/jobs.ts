/**
 * Runs a Job to its end, such as the one that prepares the database. It is run again only when its manifest has changed; one
 * that failed is tried again by the next deploy.
 */
import { createHash } from 'node:crypto'
import { Conflict } from './api-errors.ts'
import type { Deploy, Outcome } from './deploy.ts'
import { conditionOf, JOB, POD, type ClusterObject, type Job, type Pod } from './objects.ts'

/** The manifest that a Job was made from. */
const MANIFEST = 'deploy.kgents.io/manifest'
const POLL_SECONDS = 2
/** Longer than any Job of ours may take (`activeDeadlineSeconds`). */
const PATIENCE_SECONDS = 3900

export async function runJob(job: Job, deploy: Deploy): Promise<Outcome> {
  const { name } = job.metadata
  const manifest = createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 16)
  const { api, clock } = deploy
  const end = clock.now() + PATIENCE_SECONDS * 1000
  let isOurs = false
  for (;;) {
    const live = await api.get<Job>(JOB, job.metadata.namespace, name)
    const isPresent = live?.metadata.annotations?.[MANIFEST] === manifest
    if (live !== undefined && isPresent && has(live, 'Complete'))
      return { name, kind: isOurs ? 'ready' : 'unchanged' }
    if (live !== undefined && isPresent && has(live, 'Failed') && isOurs)
      return { name, kind: 'failed', why: await reasonOf(live, deploy) }
    if (live === undefined) {
      isOurs = await create(job, manifest, deploy)
    } else if (!isPresent || has(live, 'Failed')) {
      if (live.metadata.deletionTimestamp === undefined) {
        deploy.report(name, 'removes the Job of the version before')
        await api.remove(live)
      }
    } else isOurs = true
    if (clock.now() > end)
      return { name, kind: 'failed', why: `it has not ended after ${PATIENCE_SECONDS} s` }
    await clock.sleep(POLL_SECONDS)
  }
}

/** False where somebody else has made it meanwhile. */
async function create(job: Job, manifest: string, { api, report }: Deploy): Promise<boolean> {
  const { metadata } = job
  report(metadata.name, 'runs the Job')
  const annotations = { ...metadata.annotations, [MANIFEST]: manifest }
  try {
    await api.create({ ...job, metadata: { ...metadata, annotations } })
    return true
  } catch (error) {
    if (error instanceof Conflict) return false
    throw error
  }
}

function has({ status }: Job, type: 'Complete' | 'Failed'): boolean {
  return conditionOf(status?.conditions, type)?.status === 'True'
}

async function reasonOf({ metadata, status }: Job & ClusterObject, { api }: Deploy): Promise<string> {
  const pods = await api.list<Pod>(POD, metadata.namespace ?? 'default', `job-name=${metadata.name}`)
  const message = conditionOf(status?.conditions, 'Failed')?.message ?? 'no reason is given'
  const where =
    pods[0] === undefined
      ? ''
      : `; kubectl logs --namespace ${metadata.namespace} ${pods[0].metadata.name} says more`
  return `the Job has failed: ${message}${where}`
}
