/**
 * An API server that keeps objects in memory: resource versions with conflicts, generations, dry runs, label selectors,
 * server-side apply as far as whole objects go, and what Knative's admission refuses. Controllers act when the clock moves.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { KubeConfig } from '@kubernetes/client-node'
import type { ClusterObject, Kind } from '../../../../knative/deploy/objects.ts'
import { admit, withDefaults } from './fake-admission.ts'

/** Group and version, kind, plural. */
const KINDS = [
  ['v1', 'Namespace', 'namespaces'],
  ['v1', 'ConfigMap', 'configmaps'],
  ['v1', 'Pod', 'pods'],
  ['v1', 'Service', 'services'],
  ['networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies'],
  ['policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'],
  ['eventing.knative.dev/v1', 'Broker', 'brokers'],
  ['batch/v1', 'Job', 'jobs'],
  ['apps/v1', 'Deployment', 'deployments'],
  ['autoscaling/v2', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'],
  ['eventing.knative.dev/v1', 'Trigger', 'triggers'],
  ['serving.knative.dev/v1', 'Service', 'services'],
  ['serving.knative.dev/v1', 'Configuration', 'configurations'],
  ['serving.knative.dev/v1', 'Revision', 'revisions'],
] as const

const PATH =
  /^\/(?:api|apis)\/((?:[^/]+\/)?v\d)(?:\/namespaces\/([^/]+)(?=\/[^/]))?(?:\/([^/?]+))?(?:\/([^/?]+))?$/

class Status extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export class FakeCluster {
  readonly objects = new Map<string, ClusterObject>()
  /** Every write that was carried out, dry runs not counted. */
  readonly writes: string[] = []
  /** So many requests are answered 503. */
  outage = 0
  /** So many writes are carried out, and nobody learns of it. */
  lostAnswers = 0
  /** Before so many writes, a controller is faster. */
  conflicts = 0
  #version = 0
  #server: Server | undefined
  url = ''

  async open(): Promise<void> {
    this.#server = createServer((request, response) => void this.#serve(request, response))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server?.closeAllConnections()
    this.#server?.close()
    if (this.#server !== undefined) await once(this.#server, 'close')
  }

  get config(): KubeConfig {
    const config = new KubeConfig()
    config.loadFromOptions({
      clusters: [{ name: 'fake', server: this.url, skipTLSVerify: true }],
      users: [{ name: 'us' }],
      contexts: [{ name: 'fake', cluster: 'fake', user: 'us' }],
      currentContext: 'fake',
    })
    return config
  }

  all<T extends ClusterObject>(kind: string): T[] {
    return [...this.objects.values()].filter((object) => object.kind === kind) as T[]
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- reason: names the shape where it is read
  find<T extends ClusterObject>(kind: string, name: string): T | undefined {
    return this.all<T>(kind).find(({ metadata }) => metadata.name === name)
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- reason: as above
  get<T extends ClusterObject>(kind: string, name: string): T {
    const object = this.find<T>(kind, name)
    if (object === undefined) throw new Error(`no ${kind} "${name}"`)
    return object
  }

  /** What a controller writes: no admission, and a new resource version where something is new. */
  put(object: ClusterObject): void {
    const key = keyOf(object)
    const { resourceVersion: _version, ...metadata } = object.metadata
    const { resourceVersion: _before, ...before } = this.objects.get(key)?.metadata ?? { name: '' }
    const present = this.objects.get(key)
    const isSame =
      present !== undefined && isDeepStrictEqual({ ...present, metadata: before }, { ...object, metadata })
    if (isSame) return
    this.#version += 1
    this.objects.set(
      key,
      structuredClone({ ...object, metadata: { ...metadata, resourceVersion: String(this.#version) } }),
    )
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (code: number, body: object) => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    try {
      const body = await text(request)
      if (this.outage > 0) {
        this.outage -= 1
        throw new Status(503, 'apiserver is shutting down')
      }
      const { length } = this.writes
      const result = this.#handle(request, body === '' ? undefined : (JSON.parse(body) as ClusterObject))
      if (this.writes.length > length && this.lostAnswers > 0) {
        this.lostAnswers -= 1
        request.socket.destroy()
      } else answer(200, result)
    } catch (error) {
      const code = error instanceof Status ? error.code : 500
      answer(code, { kind: 'Status', code, message: error instanceof Error ? error.message : String(error) })
    }
  }

  #handle({ method = 'GET', url = '', headers }: IncomingMessage, body: ClusterObject | undefined): object {
    const { pathname, searchParams } = new URL(url, 'http://x')
    const [, apiVersion = '', namespace, plural, name] = PATH.exec(pathname) ?? []
    const group = KINDS.filter(([version]) => version === apiVersion)
    if (group.length === 0) throw new Status(404, 'the server could not find the requested resource')
    if (plural === undefined)
      return {
        resources: group.map(([, kind, plural]) => ({
          name: plural,
          kind,
          namespaced: kind !== 'Namespace',
        })),
      }
    const kind = group.find(([, , each]) => each === plural)?.[1]
    if (kind === undefined) throw new Status(404, 'the server could not find the requested resource')
    if (method === 'GET' && name === undefined)
      return { items: this.#list({ apiVersion, kind }, namespace, searchParams.get('labelSelector') ?? '') }
    const key = `${apiVersion} ${kind} ${namespace ?? ''}/${name ?? body?.metadata.name ?? ''}`
    const live = this.objects.get(key)
    if (method === 'GET') return this.#present(live, kind, name)
    if (method !== 'DELETE' && searchParams.get('fieldManager') === null)
      throw new Status(400, 'fieldManager is required')
    const isDryRun = searchParams.get('dryRun') === 'All'
    if (method === 'DELETE') return this.#remove(this.#present(live, kind, name), key)
    if (body === undefined) throw new Status(400, 'no body')
    const next = this.#next(method, headers['content-type'] ?? '', body, live, `${kind} ${name ?? ''}`)
    return this.#write(key, next, live, isDryRun)
  }

  #list({ apiVersion, kind }: Kind, namespace: string | undefined, selector: string): ClusterObject[] {
    const wanted = selector
      .split(',')
      .filter((term) => term !== '')
      .map((term) => term.split('='))
    return this.all(kind).filter(
      ({ apiVersion: version, metadata }) =>
        version === apiVersion &&
        metadata.namespace === namespace &&
        wanted.every(([label = '', value]) => metadata.labels?.[label] === value),
    )
  }

  #present(live: ClusterObject | undefined, kind: string, name = ''): ClusterObject {
    if (live === undefined) throw new Status(404, `${kind} "${name}" not found`)
    return live
  }

  #remove(live: ClusterObject, key: string): object {
    this.objects.delete(key)
    this.writes.push(`DELETE ${live.kind} ${live.metadata.name}`)
    return { kind: 'Status', status: 'Success' }
  }

  #next(
    method: string,
    type: string,
    body: ClusterObject,
    live: ClusterObject | undefined,
    what: string,
  ): ClusterObject {
    if (method === 'POST') {
      if (live !== undefined) throw new Status(409, `${what} already exists`)
      return body
    }
    if (method === 'PATCH' && type === 'application/apply-patch+yaml')
      return live === undefined
        ? body
        : { ...live, ...body, metadata: { ...live.metadata, ...body.metadata } }
    const present = this.#present(live, what)
    if (method === 'PATCH') return merge(present, body) as ClusterObject
    if (this.conflicts > 0) {
      this.conflicts -= 1
      this.put({ ...present, status: { ...(present.status as object), touched: this.conflicts } })
      throw new Status(409, 'the object has been modified')
    }
    if (body.metadata.resourceVersion !== present.metadata.resourceVersion)
      throw new Status(409, 'the object has been modified')
    return { ...body, status: present.status }
  }

  #write(
    key: string,
    next: ClusterObject,
    live: ClusterObject | undefined,
    isDryRun: boolean,
  ): ClusterObject {
    const object = withDefaults(structuredClone(next))
    const problems = admit(object, live)
    if (problems.length > 0)
      throw new Status(400, `admission webhook denied the request: ${problems.join(', ')}`)
    const isChanged = live === undefined || !isDeepStrictEqual(live.spec, object.spec)
    object.metadata.generation = (live?.metadata.generation ?? 0) + (isChanged ? 1 : 0)
    if (isDryRun) return object
    this.writes.push(`${live === undefined ? 'CREATE' : 'UPDATE'} ${object.kind} ${object.metadata.name}`)
    this.put(object)
    return this.objects.get(key) as ClusterObject
  }
}

const keyOf = ({ apiVersion, kind, metadata }: ClusterObject) =>
  `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = { ...(target as object) }
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else result[name] = merge(result[name], value)
  }
  return result
}
