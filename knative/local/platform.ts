/**
 * Knative on one machine: takes the very objects that a cluster takes, and runs functions as child processes by the
 * same rules of scaling, queueing, timing out and event delivery.
 *
 * It stays small. What it leaves out is refused when it starts; past one machine the answer is Knative itself.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../shared/telemetry/log.ts'
import type { Broker, KnativeService, Trigger } from '../objects.ts'
import { CONTROL_NAME, createControl } from './control.ts'
import { BROKER_HOST } from './eventing/destination.ts'
import { openEventing, type Eventing } from './eventing/eventing.ts'
import { startActivator, type Handler } from './serving/activator.ts'
import { createEndpoints } from './serving/endpoints.ts'
import type { RevisionStatus } from './serving/revision.ts'
import { createServing, type Serving } from './serving/serving.ts'

export interface KnativeOptions {
  services: readonly KnativeService[]
  triggers: readonly Trigger[]
  broker: Broker
  /** Program and arguments of every pod; its environment has what to serve. */
  command: readonly [string, ...string[]]
  /** Logs, journal and dead letters are kept here. */
  stateFolder: string
  /** Seconds that pass in one of Knative's; 1 is as on a cluster. `timeoutSeconds` is never scaled. */
  timeScale: number
  /** 0 is any that is free. */
  port: number
  log: Log
  /** Pods that this machine may run at once. */
  podCapacity?: number
  /** What a function gets from ConfigMap and Secrets. */
  environmentOf(name: string): Record<string, string>
  onScale?(name: string, from: number, to: number, reason: string): void
}

interface KnativeStatus {
  functions: Record<string, RevisionStatus>
  /** Event deliveries that were begun and are not finished. */
  deliveries: number
}

export interface Knative {
  /** Where every cluster name is answered, by its Host header. */
  readonly port: number
  status(): KnativeStatus
  /** Takes nothing new, finishes what is under way, and ends every pod. */
  close(): Promise<void>
}

/** How long requests and deliveries may hold up the end. */
const CLOSE_SECONDS = 10

/**
 * Starts the stand-in, without a single pod unless a Service wants one.
 *
 * @throws TypeError where an object asks for what it cannot do
 */
export async function startKnative(options: KnativeOptions): Promise<Knative> {
  const { stateFolder, timeScale, onScale = () => undefined } = options
  const logFolder = join(stateFolder, 'logs')
  mkdirSync(logFolder, { recursive: true })
  let address = ''
  const eventing = openEventing({ ...options, ingress: () => address })
  const serving = createServing({ ...options, logFolder, onScale, onChange: () => endpoints.publish() })
  const endpoints = createEndpoints(serving.revisions, 1000 * timeScale)
  const status = () => ({
    functions: Object.fromEntries([...serving.revisions].map(([name, revision]) => [name, revision.status])),
    deliveries: eventing.unfinished,
  })
  const control = createControl({ status, endpoints, broker: eventing })
  const activator = await startActivator(hostsOf(options, serving, eventing, control), options.port)
  address = `127.0.0.1:${activator.port}`
  serving.begin()
  eventing.resume()
  return {
    port: activator.port,
    status,
    async close() {
      await eventing.close(CLOSE_SECONDS)
      endpoints.close()
      await Promise.all([activator.close(CLOSE_SECONDS), serving.close(CLOSE_SECONDS)])
    },
  }
}

/** Which names are answered, and by whom. */
function hostsOf(
  { services, broker }: KnativeOptions,
  serving: Serving,
  eventing: Eventing,
  control: Handler,
) {
  const hosts = new Map<string, Handler>([
    [BROKER_HOST, eventing.ingress],
    ['127.0.0.1', control],
    ['localhost', control],
  ])
  for (const name of namesOf(CONTROL_NAME, broker.metadata.namespace)) hosts.set(name, control)
  for (const { metadata } of services) {
    const revision = serving.revisions.get(metadata.name)
    if (revision === undefined) continue
    for (const name of namesOf(metadata.name, metadata.namespace))
      hosts.set(name, (request, response) => revision.serve(request, response))
  }
  return hosts
}

/** A Service's names in its own namespace and in others. */
function namesOf(name: string, namespace: string): string[] {
  return [name, `${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`]
}
