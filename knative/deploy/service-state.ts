/**
 * Where a Service stands in a deploy. All of it is in the Service itself, its traffic and its annotations, so that a deploy
 * which was interrupted anywhere is continued by the next one, whoever runs it.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Revision, Service, Template, TrafficTarget } from './objects.ts'

const GROUP = 'deploy.kgents.io'

export const ANNOTATIONS = {
  /** The revision that had all requests when the deploy began. */
  previous: `${GROUP}/previous`,
  /** The template that is tried, as its hash. */
  candidate: `${GROUP}/candidate`,
  /** The Configuration's generation before the present template: its revision comes with a later one. */
  after: `${GROUP}/after-generation`,
  /** Why the candidate is taken back; absent while it is tried. */
  rollback: `${GROUP}/rollback`,
} as const

/** On a revision that is kept warm: what `min-scale` was before; empty where there was none. */
export const WARM = `${GROUP}/min-scale-before`

/** The manifest that kubectl and kn compare the next one with. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'

/** Tags give both revisions an address of their own while they are compared. */
export const RUNNING_TAG = 'running'
export const CANDIDATE_TAG = 'candidate'

export type Phase =
  /** Requests go to the latest revision: no deploy is going on. */
  | { kind: 'steady' }
  /** Requests are split by somebody else. */
  | { kind: 'foreign' }
  | { kind: 'trying'; previous: string; candidate: string | undefined; percent: number }
  | { kind: 'restoring'; previous: string; reason: string; copy: string | undefined }

export function phaseOf({ metadata, spec }: Service): Phase {
  const { [ANNOTATIONS.previous]: previous, [ANNOTATIONS.rollback]: reason } = metadata.annotations ?? {}
  const traffic = spec.traffic ?? []
  const target = traffic.find(({ tag }) => tag === CANDIDATE_TAG)
  if (previous === undefined || target === undefined)
    return { kind: isSteady(traffic) ? 'steady' : 'foreign' }
  if (used(traffic).some(({ tag }) => tag !== CANDIDATE_TAG && tag !== RUNNING_TAG))
    return { kind: 'foreign' }
  if (reason !== undefined) return { kind: 'restoring', previous, reason, copy: target.revisionName }
  return { kind: 'trying', previous, candidate: target.revisionName, percent: target.percent ?? 0 }
}

const used = (traffic: readonly TrafficTarget[]) => traffic.filter(({ percent }) => (percent ?? 0) > 0)

function isSteady(traffic: readonly TrafficTarget[]): boolean {
  return used(traffic).every(({ latestRevision }) => latestRevision === true)
}

/** Tags of others, which get no requests. */
function tagsOfOthers({ spec }: Service): TrafficTarget[] {
  return (spec.traffic ?? []).filter(
    ({ tag, percent }) =>
      tag !== undefined && (percent ?? 0) === 0 && tag !== CANDIDATE_TAG && tag !== RUNNING_TAG,
  )
}

/** The revision that has all requests now; undefined where none has ever been ready. */
export function runningRevisionOf({ status }: Service): string | undefined {
  const main = status?.traffic?.find(({ percent }) => percent === 100)
  return main?.revisionName ?? status?.latestReadyRevisionName
}

/** `percent` of the requests to `candidate`, or to the newest revision while its name is not known, the rest to `previous`. */
function split(
  live: Service,
  previous: string,
  candidate: string | undefined,
  percent: number,
): TrafficTarget[] {
  const target =
    candidate === undefined ? { latestRevision: true } : { revisionName: candidate, latestRevision: false }
  return [
    { revisionName: previous, latestRevision: false, percent: 100 - percent, tag: RUNNING_TAG },
    { ...target, percent, tag: CANDIDATE_TAG },
    ...tagsOfOthers(live),
  ]
}

/** The new template gets no requests, those that run keep theirs. */
export function begin(live: Service, desired: Service, previous: string, generation: number): Service {
  return {
    ...live,
    metadata: annotate(live, {
      [ANNOTATIONS.previous]: previous,
      [ANNOTATIONS.candidate]: hashOf(desired.spec.template),
      [ANNOTATIONS.after]: String(generation),
      [ANNOTATIONS.rollback]: undefined,
    }),
    spec: { ...live.spec, template: desired.spec.template, traffic: split(live, previous, undefined, 0) },
  }
}

/** The same template, with other shares. */
export function shift(live: Service, previous: string, candidate: string, percent: number): Service {
  return { ...live, spec: { ...live.spec, traffic: split(live, previous, candidate, percent) } }
}

/** All requests at once to the previous revision, and its template again for the next one: the newest is what a Service serves. */
export function takeBack(live: Service, previous: Revision, reason: string, generation: number): Service {
  return {
    ...live,
    metadata: annotate(live, { [ANNOTATIONS.rollback]: reason, [ANNOTATIONS.after]: String(generation) }),
    spec: {
      ...live.spec,
      template: templateOf(previous),
      traffic: split(live, previous.metadata.name, undefined, 0),
    },
  }
}

/** As a Service is when no deploy is going on; `applied` is what kubectl and kn compare with when they apply the next. */
export function settle(live: Service, applied?: Service): Service {
  const gone = Object.fromEntries(Object.values(ANNOTATIONS).map((name) => [name, undefined]))
  const settled = {
    ...live,
    metadata: annotate(live, gone),
    spec: { ...live.spec, traffic: [{ latestRevision: true, percent: 100 }, ...tagsOfOthers(live)] },
  }
  return applied === undefined ? settled : withManifest(settled, applied)
}

/** Labels and annotations of the manifest, which is what the next apply is compared with. */
export function withManifest(live: Service, manifest: Service): Service {
  const { labels, annotations } = manifest.metadata
  return {
    ...live,
    metadata: {
      ...annotate(live, { ...annotations, [LAST_APPLIED]: `${JSON.stringify(manifest)}\n` }),
      ...(labels === undefined ? {} : { labels: { ...live.metadata.labels, ...labels } }),
    },
  }
}

function annotate({ metadata }: Service, changes: Record<string, string | undefined>): Service['metadata'] {
  const annotations = Object.entries({ ...metadata.annotations, ...changes })
  return {
    ...metadata,
    annotations: Object.fromEntries(
      annotations.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
  }
}

/** What Knative itself writes on a revision. */
const OWN_LABELS = /^(serving|networking)\.knative\.dev\//
const OWN_ANNOTATIONS =
  /^(serving\.knative\.dev\/(creator|lastModifier|routes|routingStateModified|lastPinned)|deploy\.kgents\.io\/)/
const MIN_SCALE = 'autoscaling.knative.dev/min-scale'

/** The template that a revision was made from. */
function templateOf({ metadata, spec }: Revision): Template {
  const { [MIN_SCALE]: _warm, ...rest } = metadata.annotations ?? {}
  const before = metadata.annotations?.[WARM]
  const annotations =
    before === undefined ? metadata.annotations : before === '' ? rest : { ...rest, [MIN_SCALE]: before }
  return {
    metadata: {
      labels: without(metadata.labels, OWN_LABELS),
      annotations: without(annotations, OWN_ANNOTATIONS),
    },
    spec,
  }
}

function without(values: Record<string, string> | undefined, names: RegExp): Record<string, string> {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([name]) => !names.test(name)))
}

export function hashOf(template: Template): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(template)))
    .digest('hex')
    .slice(0, 16)
}

/** Whether two templates make the same revision. */
export function isSame(one: Template, other: Template): boolean {
  return isDeepStrictEqual(sorted(one), sorted(other))
}

/** Keys in one order, and nothing that means nothing: null, and lists and objects without content. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map(sorted)
  if (typeof value !== 'object' || value === null) return value ?? undefined
  const entries = Object.entries(value)
    .map(([name, member]) => [name, sorted(member)] as const)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
