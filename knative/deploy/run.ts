/** A whole deploy, in the order in which old and new versions get along: database, functions, what calls them. */
import { applyObject } from './apply.ts'
import { isGood, type Deploy, type Outcome } from './deploy.ts'
import { runJob } from './jobs.ts'
import type { Manifests } from './manifests.ts'
import type { ClusterObject } from './objects.ts'
import { rollPart } from './parts.ts'
import { preview } from './preview.ts'
import { deployInWaves } from './waves.ts'

export interface RunOptions {
  /** How many Services are tried at the same time, after the first. */
  waveSize: number
  /** Says what would change, and changes nothing. */
  dryRun?: boolean
}

/**
 * Brings the cluster to `manifests`; nothing after the first outcome that is not good.
 *
 * @throws Refused before anything is changed, where the API server would not take a Service
 * @throws Unavailable where the cluster, or Prometheus before the first canary, does not answer
 */
export async function runDeploy(
  manifests: Manifests,
  deploy: Deploy,
  options: RunOptions,
): Promise<Outcome[]> {
  const changing = await preview(manifests.services, deploy)
  deploy.report('deploy', `${changing.length} of ${manifests.services.length} Services change`)
  if (options.dryRun === true) return []
  if (changing.some(({ isNew }) => !isNew))
    await deploy.metrics.requestsOf('none', deploy.rules.baselineSeconds)

  await applyAll(manifests.before, deploy)
  const outcomes: Outcome[] = []
  for (const job of manifests.jobs) {
    outcomes.push(await runJob(job, deploy))
    if (!outcomes.every(isGood)) return outcomes
  }
  outcomes.push(...(await deployInWaves(manifests.services, deploy, options.waveSize)))
  if (!outcomes.every(isGood)) return outcomes
  await applyAll(manifests.after, deploy)
  for (const part of manifests.parts) {
    outcomes.push(await rollPart(part, deploy, manifests.scaled.has(part.metadata.name)))
    if (!outcomes.every(isGood)) return outcomes
  }
  return outcomes
}

async function applyAll(objects: readonly ClusterObject[], { api }: Deploy): Promise<void> {
  for (const object of objects) await applyObject(api, object)
}
