/** What Knative's webhooks fill in and refuse, as far as a deploy could get it wrong. */
import { isDeepStrictEqual } from 'node:util'
import type { ClusterObject, Revision, Service } from '../../../../knative/deploy/objects.ts'

const DNS_LABEL = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/
const CREATOR = 'serving.knative.dev/creator'

/** `object` as it is stored. */
export function withDefaults(object: ClusterObject): ClusterObject {
  if (!isService(object)) return object
  const { template, traffic } = object.spec
  const containers = template.spec.containers.map((container) => ({
    name: 'user-container',
    readinessProbe: { successThreshold: 1, tcpSocket: { port: 0 } },
    ...container,
  }))
  const metadata = { ...object.metadata, annotations: { [CREATOR]: 'us', ...object.metadata.annotations } }
  return {
    ...object,
    metadata,
    spec: {
      template: {
        ...template,
        spec: { timeoutSeconds: 300, ...template.spec, containers },
      },
      traffic: traffic ?? [{ latestRevision: true, percent: 100 }],
    },
  }
}

/** Why `object` is refused; empty where it is not. */
export function admit(object: ClusterObject, live: ClusterObject | undefined): string[] {
  if (isService(object)) return admitService(object, live as Service | undefined)
  if (object.kind === 'Revision') return admitRevision(object as Revision, live as Revision | undefined)
  return []
}

const isService = (object: ClusterObject): object is Service =>
  object.kind === 'Service' && object.apiVersion.startsWith('serving')

function admitService({ metadata, spec }: Service, live: Service | undefined): string[] {
  const { traffic = [], template } = spec
  const sum = traffic.reduce((total, { percent = 0 }) => total + percent, 0)
  const tags = traffic.flatMap(({ tag }) => tag ?? [])
  const name = template.metadata?.name
  return [
    ...claim(sum === 100, `Traffic targets sum to ${sum}, want 100`),
    ...claim(
      tags.every((tag) => DNS_LABEL.test(tag)),
      'not a DNS 1035 label',
    ),
    ...claim(new Set(tags).size === tags.length, 'Multiple definitions of a tag'),
    ...claim(
      tags.every((tag) => `${tag}-${metadata.name}`.length <= 63),
      'the host of a tag is too long',
    ),
    ...traffic.flatMap(({ revisionName, latestRevision, percent = 0, url }) => [
      ...claim(
        latestRevision === undefined || (revisionName !== undefined) !== latestRevision,
        'may not set revisionName',
      ),
      ...claim(percent >= 0 && percent <= 100, 'percent is out of bounds'),
      ...claim(url === undefined, 'must not set the field url'),
    ]),
    ...claim(
      Object.keys(metadata.annotations ?? {}).every((key) => !key.startsWith('autoscaling.knative.dev/')),
      'autoscaling annotations must be put under spec.template',
    ),
    ...claim(
      Object.values({ ...metadata.annotations, ...template.metadata?.annotations }).every(
        (value) => typeof value === 'string',
      ),
      'annotations are strings',
    ),
    ...claim(
      live === undefined || live.metadata.annotations?.[CREATOR] === metadata.annotations?.[CREATOR],
      'annotation value is immutable',
    ),
    ...claim(
      live === undefined ||
        name === undefined ||
        name !== live.spec.template.metadata?.name ||
        isDeepStrictEqual(template, live.spec.template),
      'Saw the following changes without a name change',
    ),
    ...claim(
      name === undefined || name.startsWith(`${metadata.name}-`),
      'the name must have the Service as its prefix',
    ),
  ]
}

function admitRevision({ metadata, spec }: Revision, live: Revision | undefined): string[] {
  const valueOf = (name: string) => Number(metadata.annotations?.[`autoscaling.knative.dev/${name}`] ?? 0)
  return [
    ...claim(live === undefined || isDeepStrictEqual(live.spec, spec), 'Immutable fields changed'),
    ...claim(
      valueOf('max-scale') === 0 || valueOf('min-scale') <= valueOf('max-scale'),
      'min-scale is above max-scale',
    ),
  ]
}

const claim = (holds: boolean, problem: string): string[] => (holds ? [] : [problem])
