/** From the contracts of parts that always run to a Deployment, a Service and a disruption budget for each. */
import type { Component, ForeignImage } from '../shared/contract/component.ts'
import type { EnvironmentVariable, Metadata } from './objects.ts'
import type { Deployment, PartService, PodContainer, PodDisruptionBudget } from './part-objects.ts'
import {
  DEFAULT_TARGET,
  PART_LABEL,
  PART_OF,
  SECURITY_CONTEXT,
  secretVariable,
  SHARED_SETTINGS,
  type Target,
} from './target.ts'

export type PartObject = Deployment | PartService | PodDisruptionBudget

/** A pod works on for this long after it is to stop: until then somebody may not have learned that it leaves. */
const LEAVE_SECONDS = 5

/** The objects of `components`, those of one part together. */
export function partsOf(components: readonly Component[], target = DEFAULT_TARGET): PartObject[] {
  return components.flatMap((component) => [
    deploymentOf(component, target),
    serviceOf(component, target),
    disruptionBudgetOf(component, target),
  ])
}

function deploymentOf(component: Component, target: Target): Deployment {
  const { name, scale, image } = component
  const labels = { ...PART_OF, [PART_LABEL]: name }
  const isForeign = typeof image === 'object'
  const folders = isForeign ? [image.settings, ...image.scratch] : []
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(component, target),
    spec: {
      replicas: scale.replicas,
      // A pod goes when the one after it is ready, also where there is one alone.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      selector: { matchLabels: { [PART_LABEL]: name } },
      template: {
        metadata: { labels },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: LEAVE_SECONDS + scale.graceSeconds,
          ...(isForeign ? { initContainers: [preparing(component, image, target)] } : {}),
          containers: [isForeign ? foreign(component, image) : own(component, image, target)],
          volumes: ['/tmp', ...folders].map((folder) => ({ name: volumeOf(folder), emptyDir: {} })),
        },
      },
    },
  }
}

/** A program of ours, with what its contract names and the settings of all. */
function own(component: Component, image: 'parts' | 'worker', { images }: Target): PodContainer {
  return {
    name: 'part',
    image: images[image],
    command: ['node', component.program],
    env: variablesOf(component),
    envFrom: SHARED_SETTINGS,
    ...commonOf(component),
    volumeMounts: mountsOf(['/tmp']),
  }
}

/** A program of somebody else, with the settings that ours has written. */
function foreign(component: Component, { image, env, settings, scratch }: ForeignImage): PodContainer {
  return {
    name: 'part',
    image,
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    ...commonOf(component),
    volumeMounts: mountsOf(['/tmp', settings, ...scratch]),
  }
}

function preparing(component: Component, { prepare, settings }: ForeignImage, target: Target): PodContainer {
  const {
    lifecycle: _lifecycle,
    livenessProbe: _live,
    readinessProbe: _ready,
    ports: _ports,
    ...container
  } = own(component, 'parts', target)
  return {
    ...container,
    name: 'prepare',
    command: ['node', prepare],
    volumeMounts: mountsOf(['/tmp', settings]),
  }
}

function commonOf(component: Component) {
  const { health, scale } = component
  const port = health.port === undefined ? 'http' : 'status'
  return {
    ports: portsOf(component).map(({ name, containerPort }) => ({ name, containerPort })),
    resources: {
      requests: { cpu: scale.cpu.request, memory: scale.memory.request },
      limits: { cpu: scale.cpu.limit, memory: scale.memory.limit },
    },
    securityContext: SECURITY_CONTEXT,
    lifecycle: { preStop: { sleep: { seconds: LEAVE_SECONDS } } },
    livenessProbe: { httpGet: { path: health.live, port } },
    readinessProbe: { httpGet: { path: health.ready, port } },
  }
}

function portsOf({ port, health }: Component) {
  return [
    { name: 'http', containerPort: port, port: 80 },
    ...(health.port === undefined ? [] : [{ name: 'status', containerPort: health.port, port: health.port }]),
  ]
}

/** Secrets, and what the layout of the platform decides; the rest comes with the settings of all. */
function variablesOf(component: Component): EnvironmentVariable[] {
  return component.variables.flatMap(({ name, required, cluster }): EnvironmentVariable[] => {
    if (component.secrets.includes(name))
      return [secretVariable(name, { key: secretKeyOf(component, name), isOptional: !required })]
    return cluster === undefined ? [] : [{ name, value: cluster }]
  })
}

/** Under which name the Secret has a variable of a part: each has a user of its own on NATS. */
export function secretKeyOf({ name }: Pick<Component, 'name'>, variable: string): string {
  return variable === 'NATS_URL' ? `${name.toUpperCase().replaceAll('-', '_')}_NATS_URL` : variable
}

function serviceOf(component: Component, target: Target): PartService {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(component, target),
    spec: {
      selector: { [PART_LABEL]: component.name },
      ports: portsOf(component).map(({ name, port }) => ({ name, port, targetPort: name })),
    },
  }
}

/** Nodes are drained one pod of a part after the other. */
function disruptionBudgetOf(component: Component, target: Target): PodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadataOf(component, target),
    spec: { maxUnavailable: 1, selector: { matchLabels: { [PART_LABEL]: component.name } } },
  }
}

function metadataOf({ name }: Component, { namespace }: Target): Metadata {
  return { name, namespace, labels: PART_OF }
}

/** `/etc/kong` is the volume `etc-kong`. */
function volumeOf(folder: string): string {
  return folder.slice(1).replaceAll(/[/_]/g, '-')
}

function mountsOf(folders: readonly string[]) {
  return folders.map((mountPath) => ({ name: volumeOf(mountPath), mountPath }))
}
