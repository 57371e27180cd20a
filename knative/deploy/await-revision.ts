/** Waits until the newest revision of a Service is there and has a pod that is ready. */
import type { Deploy } from './deploy.ts'
import {
  conditionOf,
  CONFIGURATION,
  REVISION,
  type Configuration,
  type Pod,
  type Revision,
  type Service,
} from './objects.ts'
import { podsOf, readinessOf } from './readiness.ts'
import { ANNOTATIONS } from './service-state.ts'
import { keepWarm } from './warm.ts'

export type Awaited = { revision: Revision; why?: undefined } | { revision?: undefined; why: string }

const POLL_SECONDS = 5
/** So long a revision takes anyway. */
const QUIET_SECONDS = 30

/** The number of the newest template that Knative has seen. */
export async function generationOf({ api }: Deploy, { metadata }: Service): Promise<number> {
  const configuration = await api.get<Configuration>(CONFIGURATION, metadata.namespace, metadata.name)
  return configuration?.metadata.generation ?? 0
}

/**
 * The revision of the newest template once it is ready, or why it does not become so within the time for it.
 *
 * @param warm keeps a pod of it, since a revision may be ready without any; otherwise such a one is good enough
 */
export async function awaitRevision(
  live: Service,
  deploy: Deploy,
  { warm }: { warm: boolean },
): Promise<Awaited> {
  const { clock, rules } = deploy
  const started = clock.now()
  const secondsSince = (time: number) => (clock.now() - time) / 1000
  let failingSince: number | undefined
  let reported = ''
  for (;;) {
    if (deploy.stopped.because !== undefined && warm) return { why: deploy.stopped.because }
    const { revision, isReady, isFailing, why } = await lookAt(live, deploy, warm)
    if (isReady && revision !== undefined) return { revision }
    const isWorthALine = isFailing || secondsSince(started) >= QUIET_SECONDS
    if (isWorthALine && why !== '' && why !== reported) {
      deploy.report(live.metadata.name, `waits: ${why}`)
      reported = why
    }
    failingSince = isFailing ? (failingSince ?? clock.now()) : undefined
    if (failingSince !== undefined && secondsSince(failingSince) >= rules.failingSeconds)
      return { why: `it does not start: ${why}` }
    if (secondsSince(started) >= rules.readySeconds)
      return { why: `it is not ready after ${rules.readySeconds} s: ${why || 'no reason is given'}` }
    await clock.sleep(POLL_SECONDS)
  }
}

interface State {
  revision?: Revision
  isReady: boolean
  isFailing: boolean
  why: string
}

async function lookAt(live: Service, deploy: Deploy, warm: boolean): Promise<State> {
  const revision = await newestOf(live, deploy)
  if (revision === undefined)
    return { isReady: false, isFailing: false, why: 'Knative has made no revision of the new template yet' }
  if (warm) await keepWarm(deploy.api, revision)
  const pods = await podsOf(deploy.api, revision)
  const readiness = readinessOf(revision, pods)
  if (!readiness.isReady || !warm || pods.some(isUp)) return { revision, ...readiness }
  const { isFailing, why } = readinessOf({ ...revision, status: {} }, pods)
  return { revision, isReady: false, isFailing, why: why || 'it has no pod that is ready' }
}

function isUp({ status }: Pod): boolean {
  return conditionOf(status?.conditions, 'Ready')?.status === 'True'
}

/** The revision of the present template; none while Knative is still at an older one. */
async function newestOf({ metadata }: Service, { api }: Deploy): Promise<Revision | undefined> {
  const { namespace, name, annotations } = metadata
  const configuration = await api.get<Configuration>(CONFIGURATION, namespace, name)
  const { generation = 0 } = configuration?.metadata ?? {}
  const { observedGeneration, latestCreatedRevisionName: newest } = configuration?.status ?? {}
  if (newest === undefined || observedGeneration !== generation) return undefined
  if (generation <= Number(annotations?.[ANNOTATIONS.after] ?? 0)) return undefined
  return api.get<Revision>(REVISION, namespace, newest)
}
