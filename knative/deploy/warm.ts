/**
 * Keeps pods of a revision running although it gets few requests or none: whoever is given all requests again at once must
 * not begin with a cold start. A revision's annotations may change, its specification may not.
 */
import type { Api } from './api.ts'
import { REVISION, type Revision } from './objects.ts'
import { WARM } from './service-state.ts'

const MIN_SCALE = 'autoscaling.knative.dev/min-scale'
const MAX_SCALE = 'autoscaling.knative.dev/max-scale'

/** Keeps at least `pods` pods, and at first as many as there are; does nothing where that is so already. */
export async function keepWarm(api: Api, { metadata, status }: Revision, pods = 1): Promise<void> {
  const annotations = metadata.annotations ?? {}
  const now = Number(annotations[MIN_SCALE] ?? 0)
  const isFirst = annotations[WARM] === undefined
  const most = Number(annotations[MAX_SCALE] ?? 0) || Number.POSITIVE_INFINITY
  const wanted = Math.min(most, Math.max(1, pods, now, isFirst ? (status?.actualReplicas ?? 0) : 0))
  if (!isFirst && wanted <= now) return
  const before = annotations[WARM] ?? annotations[MIN_SCALE] ?? ''
  await annotate(api, metadata, { [MIN_SCALE]: String(wanted), [WARM]: before })
}

/** Gives `min-scale` the value that it had. */
export async function letCool(api: Api, { metadata }: Revision): Promise<void> {
  const before = metadata.annotations?.[WARM]
  if (before === undefined) return
  await annotate(api, metadata, { [MIN_SCALE]: before === '' ? null : before, [WARM]: null })
}

/** How many pods of it are kept at least. */
export function warmPodsOf({ metadata }: Revision): number {
  return Number(metadata.annotations?.[MIN_SCALE] ?? 0)
}

function annotate(api: Api, metadata: Revision['metadata'], annotations: Record<string, string | null>) {
  return api.merge({ ...REVISION, metadata }, { metadata: { annotations } })
}
