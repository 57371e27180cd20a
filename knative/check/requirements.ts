/** What a cluster must have before the manifests are applied, and what must hold when they are: lists, in the order of work. */
import type { Component } from '../../shared/contract/component.ts'
import { OPTIONAL_SECRETS, secretsFor } from '../../shared/contract/needs.ts'
import { variablesOf } from '../../shared/contract/variables.ts'
import { FunctionConfig } from '../../shared/runtime/config.ts'
import type { Deployable } from '../manifests.ts'
import { secretKeyOf } from '../parts.ts'
import { DEFAULT_TARGET, SECRETS_NAME, SETTINGS_NAME } from '../target.ts'
import type { Cluster, ClusterObject } from './cluster.ts'
import { installationsFor, type Installation, type ManifestObject } from './installations.ts'

export interface Requirement {
  /** What is there when it holds. */
  what: string
  /** What to do where it does not. */
  remedy: string
  /** What is wrong; nothing where it holds. */
  check(cluster: Cluster): Promise<string[]>
}

const { namespace } = DEFAULT_TARGET
const NATS_SERVERS = 3

/**
 * What must hold before `objects`, the manifests of one environment, are applied for the first time, and what when they
 * are: what they bring themselves is not asked for before.
 *
 * @throws TypeError where nobody knows what brings one of their kinds
 */
export function requirementsFor(
  catalog: readonly Deployable[],
  components: readonly Component[],
  objects: readonly ManifestObject[],
): { before: Requirement[]; deployed: Requirement[] } {
  const brought: [isBrought: boolean, requirement: Requirement][] = [
    [
      brings(objects, 'ConfigMap', 'config-nats'),
      {
        what: 'eventing-natss knows NATS',
        remedy:
          'Make the ConfigMap config-nats in knative-eventing; the README of eventing-natss has its form',
        check: async (cluster) =>
          missing(await cluster.get('configmap', 'config-nats', 'knative-eventing'), 'ConfigMap config-nats'),
      },
    ],
    [brings(objects, 'StatefulSet', 'nats'), NATS_RUNS],
    [
      brings(objects, 'StatefulSet', 'nats'),
      allAvailable('knative-eventing', 'eventing-natss runs', isOfChannels),
    ],
    [
      brings(objects, 'ExternalSecret', SECRETS_NAME),
      hasKeys('secret', SECRETS_NAME, secretKeys(catalog, components)),
    ],
  ]
  const of = (wanted: boolean) =>
    brought.filter(([isBrought]) => isBrought === wanted).map(([, requirement]) => requirement)
  return {
    before: [
      ...installationsFor(objects).map(isInstalled),
      allAvailable('knative-serving', 'Knative Serving runs'),
      allAvailable('knative-eventing', 'Knative Eventing runs', (name) => !isOfChannels(name)),
      allAvailable('kourier-system', 'Kourier runs'),
      ...of(false),
      hasKeys('configmap', SETTINGS_NAME, settingNames(components)),
    ],
    deployed: [...of(true), ...DEPLOYED],
  }
}

const NATS_RUNS: Requirement = {
  what: `NATS has ${NATS_SERVERS} servers`,
  remedy:
    'Scale the StatefulSet of NATS in kgents-agents to three: streams have three copies, and with fewer servers the ' +
    'channel of the Broker fails although the Broker says Ready',
  check: async (cluster) => {
    const sets = await cluster.list('statefulset', 'kgents-agents')
    const ready = Math.max(0, ...sets.map(({ status }) => status?.readyReplicas ?? 0))
    return ready >= NATS_SERVERS ? [] : [`${ready} of ${NATS_SERVERS} servers are ready in kgents-agents`]
  },
}

function brings(objects: readonly ManifestObject[], kind: string, name: string): boolean {
  return objects.some((object) => object.kind === kind && object.metadata.name === name)
}

function isInstalled({ group, what, remedy }: Installation): Requirement {
  return {
    what,
    remedy,
    async check(cluster) {
      const kinds = await cluster.list('customresourcedefinition')
      return kinds.some(({ metadata }) => metadata.name.endsWith(`.${group}`)) ? [] : [`no kinds of ${group}`]
    },
  }
}

const DEPLOYED: readonly Requirement[] = [
  {
    what: 'the database is prepared',
    remedy: `kubectl replace --force --filename setup.yaml, then kubectl logs --namespace ${namespace} job/setup`,
    check: async (cluster) => unmet(await cluster.get('job', 'setup', namespace), 'Complete', 'Job setup'),
  },
  allAvailable(namespace, 'the parts run'),
  allReady('services.serving.knative.dev', 'functions are ready', 'kn service describe NAME says more'),
  allReady(
    'natsjetstreamchannels.messaging.knative.dev',
    'the channel of the Broker is ready',
    'Check that NATS has three servers with JetStream, and the logs of the channel controller',
  ),
  allReady(
    'brokers.eventing.knative.dev',
    'the Broker is ready',
    'kubectl describe broker default says more',
  ),
  allReady('triggers.eventing.knative.dev', 'Triggers are ready', 'kubectl describe trigger NAME says more'),
]

/** Those of eventing-natss: without NATS they start again and again. */
function isOfChannels(deployment: string): boolean {
  return deployment.startsWith('jetstream-')
}

function allAvailable(
  where: string,
  what: string,
  isMeant: (deployment: string) => boolean = () => true,
): Requirement {
  return {
    what,
    remedy: `kubectl get pods --namespace ${where} shows which pods wait, and kubectl describe pod for what`,
    async check(cluster) {
      const all = await cluster.list('deployment', where)
      const deployments = all.filter(({ metadata }) => isMeant(metadata.name))
      if (deployments.length === 0) return [`no Deployment in ${where}`]
      return deployments
        .filter(({ spec, status }) => (status?.availableReplicas ?? 0) < (spec?.replicas ?? 1))
        .map(
          ({ metadata, spec, status }) =>
            `${metadata.name}: ${status?.availableReplicas ?? 0} of ${spec?.replicas ?? 1}`,
        )
    },
  }
}

function allReady(kind: string, what: string, remedy: string): Requirement {
  return {
    what,
    remedy,
    async check(cluster) {
      const objects = await cluster.list(kind, namespace)
      if (objects.length === 0) return [`no ${kind} in ${namespace}`]
      return objects.flatMap((object) => unmet(object, 'Ready', object.metadata.name))
    },
  }
}

/** A key that is missing keeps a pod waiting, and Knative says no more than that. */
function hasKeys(kind: 'secret' | 'configmap', name: string, keys: readonly string[]): Requirement {
  return {
    what: `${kind} ${name} has what functions and parts read`,
    remedy:
      'npm run cluster:settings makes all of it; the table of variables in knative/README.md says what each is',
    async check(cluster) {
      const object = await cluster.get(kind, name, namespace)
      if (object === undefined) return [`no ${kind} ${name} in ${namespace}`]
      return keys.filter((key) => object.data?.[key] === undefined).map((key) => `${key} is missing`)
    },
  }
}

/** Keys without which a pod does not start. */
export function secretKeys(catalog: readonly Deployable[], components: readonly Component[]): string[] {
  const ofFunctions = catalog.flatMap(({ needs }) => secretsFor(needs))
  const ofParts = components.flatMap((component) =>
    component.variables
      .filter(({ name, required }) => required && component.secrets.includes(name))
      .map(({ name }) => secretKeyOf(component, name)),
  )
  return [...new Set([...ofFunctions, ...ofParts])].filter((key) => !OPTIONAL_SECRETS.includes(key)).sort()
}

/** Settings without which a program does not start, and which no manifest sets. */
export function settingNames(components: readonly Component[]): string[] {
  const variables = [
    ...variablesOf(FunctionConfig).filter(({ name }) => name !== 'FUNCTION'),
    ...components.flatMap(({ variables: own, secrets }) => own.filter(({ name }) => !secrets.includes(name))),
  ]
  const needed = variables.filter(({ required, cluster }) => required && cluster === undefined)
  return [...new Set(needed.map(({ name }) => name))].sort()
}

function missing(object: ClusterObject | undefined, name: string): string[] {
  return object === undefined ? [`no ${name}`] : []
}

function unmet(object: ClusterObject | undefined, type: string, name: string): string[] {
  if (object === undefined) return [`no ${name}`]
  const condition = object.status?.conditions?.find((each) => each.type === type)
  if (condition?.status === 'True') return []
  const reason = condition?.message ?? condition?.reason ?? `no condition ${type} yet`
  return [`${name}: ${reason}`]
}
