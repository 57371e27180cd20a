/** Rolls the Deployment of a part and waits for it, as `kubectl rollout status` does. */
import { applyObject } from './apply.ts'
import type { Deploy, Outcome } from './deploy.ts'
import { conditionOf, DEPLOYMENT, POD, type Deployment, type Pod } from './objects.ts'

const POLL_SECONDS = 2

/** @param isScaled whether an autoscaler decides how many pods it has */
export async function rollPart(part: Deployment, deploy: Deploy, isScaled: boolean): Promise<Outcome> {
  const { name, namespace } = part.metadata
  const before = await deploy.api.get<Deployment>(DEPLOYMENT, namespace, name)
  const applied = (await applyObject(
    deploy.api,
    isScaled ? withPresentScale(part, before) : part,
  )) as Deployment
  const isChanged = before?.metadata.generation !== applied.metadata.generation
  if (isChanged) deploy.report(name, before === undefined ? 'is new: makes it' : 'rolls its pods')
  for (
    let live: Deployment | undefined = applied;
    ;
    live = await deploy.api.get<Deployment>(DEPLOYMENT, namespace, name)
  ) {
    const state = live === undefined ? 'somebody has removed it' : stateOf(live)
    if (state === 'done') return { name, kind: isChanged ? 'updated' : 'unchanged' }
    if (state !== 'going on') return { name, kind: 'failed', why: `${state}${await reasonsOf(part, deploy)}` }
    await deploy.clock.sleep(POLL_SECONDS)
  }
}

/** A deploy would otherwise begin with stopping most of the pods. */
function withPresentScale(part: Deployment, live: Deployment | undefined): Deployment {
  const replicas = live?.spec.replicas
  return replicas === undefined ? part : { ...part, spec: { ...part.spec, replicas } }
}

function stateOf({ metadata, spec, status = {} }: Deployment): string {
  if ((status.observedGeneration ?? 0) < (metadata.generation ?? 0)) return 'going on'
  const progressing = conditionOf(status.conditions, 'Progressing')
  if (progressing?.reason === 'ProgressDeadlineExceeded')
    return progressing.message ?? 'its pods do not become ready'
  const { replicas = 1 } = spec
  const { updatedReplicas = 0, replicas: all = 0, availableReplicas = 0 } = status
  const isDone = updatedReplicas >= replicas && all <= updatedReplicas && availableReplicas >= updatedReplicas
  return isDone ? 'done' : 'going on'
}

async function reasonsOf({ spec, metadata }: Deployment, { api }: Deploy): Promise<string> {
  const labels = Object.entries(spec.template.metadata?.labels ?? {}).map(
    ([name, value]) => `${name}=${value}`,
  )
  const pods = await api.list<Pod>(POD, metadata.namespace ?? 'default', labels.join(','))
  const reasons = pods.flatMap(({ status }) =>
    (status?.containerStatuses ?? []).flatMap(
      ({ state }) => state?.waiting?.message ?? state?.waiting?.reason ?? [],
    ),
  )
  return reasons.length === 0 ? '' : `: ${[...new Set(reasons)].join('; ')}`
}
