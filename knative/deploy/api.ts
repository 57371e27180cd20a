/**
 * Reads and writes objects of a cluster. The client library finds the cluster and proves who we are (kubeconfig, client
 * certificates, exec plugins, in-cluster tokens); objects pass as they are, because its generated classes drop what they
 * do not know and rename fields such as `from` of a NetworkPolicy.
 */
import {
  HttpMethod,
  IsomorphicFetchHttpLibrary,
  RequestContext,
  type KubeConfig,
} from '@kubernetes/client-node'
import { Conflict, Refused, Unavailable } from './api-errors.ts'
import type { Clock } from './clock.ts'
import type { ClusterObject, Kind } from './objects.ts'
import { createResources } from './resources.ts'

export interface Api {
  /** The object; undefined where there is none, or none of its kind. */
  get<T extends ClusterObject>(
    kind: Kind,
    namespace: string | undefined,
    name: string,
  ): Promise<T | undefined>
  list<T extends ClusterObject>(kind: Kind, namespace: string, labels: string): Promise<T[]>
  create<T extends ClusterObject>(object: T, options?: WriteOptions): Promise<T>
  /** Replaces what `object` was read from. @throws Conflict where that has changed since */
  replace<T extends ClusterObject>(object: T, options?: WriteOptions): Promise<T>
  /** Merges `changes` into the object; null removes a field. */
  merge(object: ClusterObject, changes: object): Promise<void>
  /** Server-side apply: of the fields in `object`, and no others, we are the owner. */
  apply<T extends ClusterObject>(object: T): Promise<T>
  /** Removes the object and what belongs to it; nothing where there is none. */
  remove(object: ClusterObject): Promise<void>
}

export interface WriteOptions {
  /** Everything is checked and nothing is kept. */
  dryRun?: boolean
}

export const FIELD_MANAGER = 'kgents-deploy'

/** Seconds between attempts while the API server is unavailable: two minutes in all. */
const RETRY_SECONDS = [1, 2, 4, 8, 15, 30, 30, 30]
const REQUEST_SECONDS = 30
const JSON_TYPE = 'application/json'

interface Request {
  method: HttpMethod
  url: string
  body: object | undefined
  contentType: string
}

interface Answer {
  status: number
  text: string
}

/** The API of the cluster that `config` names. */
export function createApi(config: KubeConfig, clock: Clock): Api {
  const server = config.getCurrentCluster()?.server.replace(/\/$/, '')
  if (server === undefined) throw new Refused('Cannot reach a cluster: kubeconfig has no current context')
  const connections = keepConnections(clock)
  const send = async (method: HttpMethod, path: string, body?: object, contentType = JSON_TYPE) =>
    sendPatiently(
      () => sendOnce(config, connections, { method, url: server + path, body, contentType }),
      clock,
    )
  const pathOf = createResources(async (path) => read(await send(HttpMethod.GET, path)))
  const objectPath = async (object: ClusterObject) =>
    known(await pathOf(object, object.metadata.namespace, object.metadata.name), object)
  return {
    async get(kind, namespace, name) {
      const path = await pathOf(kind, namespace, name)
      if (path === undefined) return undefined
      const answer = await send(HttpMethod.GET, path)
      return answer.status === 404 ? undefined : read(answer)
    },
    async list<T>(kind: Kind, namespace: string, labels: string) {
      const path = await pathOf(kind, namespace)
      if (path === undefined) return []
      const query = `?labelSelector=${encodeURIComponent(labels)}`
      return read<{ items: T[] }>(await send(HttpMethod.GET, path + query)).items
    },
    async create(object, options) {
      const path = known(await pathOf(object, object.metadata.namespace), object)
      return read(await send(HttpMethod.POST, path + queryOf(options), object))
    },
    replace: async (object, options) =>
      read(await send(HttpMethod.PUT, (await objectPath(object)) + queryOf(options), object)),
    async merge(object, changes) {
      const path = (await objectPath(object)) + queryOf()
      read(await send(HttpMethod.PATCH, path, changes, 'application/merge-patch+json'))
    },
    async apply(object) {
      const path = `${await objectPath(object)}${queryOf()}&force=true`
      return read(await send(HttpMethod.PATCH, path, object, 'application/apply-patch+yaml'))
    },
    async remove(object) {
      const body = { propagationPolicy: 'Foreground' }
      const answer = await send(HttpMethod.DELETE, await objectPath(object), body)
      if (answer.status !== 404) read(answer)
    },
  }
}

function queryOf({ dryRun = false }: WriteOptions = {}): string {
  return `?fieldManager=${FIELD_MANAGER}${dryRun ? '&dryRun=All' : ''}`
}

function known(path: string | undefined, { apiVersion, kind, metadata }: ClusterObject): string {
  if (path !== undefined) return path
  throw new Refused(
    `Cannot write ${kind} "${metadata.name}": the cluster does not know ${apiVersion} ${kind}; npm run cluster:check names what is to be installed`,
  )
}

/** The body of a good answer. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- reason: names the shape where it is read
function read<T>({ status, text }: Answer): T {
  // The API server answers with what was asked for.
  if (status < 300) return JSON.parse(text) as T
  const message = messageOf(text)
  if (status === 409) throw new Conflict(message)
  throw new Refused(`The API server answered ${status}: ${message}`)
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: string }
    return message ?? text
  } catch {
    return text
  }
}

/**
 * An API server that restarts, or a webhook that does, costs a deploy time and nothing else. Every request may be repeated:
 * a write that was carried out although its answer got lost is a conflict the second time, and its object is read again.
 */
async function sendPatiently(send: () => Promise<Answer>, clock: Clock): Promise<Answer> {
  for (let attempt = 0; ; attempt += 1) {
    const outcome = await send().catch((error: unknown) => new Error(describe(error), { cause: error }))
    const isAnswer = !(outcome instanceof Error)
    if (isAnswer && outcome.status < 500 && outcome.status !== 429) return outcome
    const seconds = RETRY_SECONDS[attempt]
    if (seconds === undefined) {
      const reason = isAnswer ? `status ${outcome.status}: ${messageOf(outcome.text)}` : outcome.message
      throw new Unavailable(`Cannot reach the API server: ${reason}`)
    }
    await clock.sleep(seconds)
  }
}

async function sendOnce(
  config: KubeConfig,
  connections: (context: RequestContext) => void,
  { method, url, body, contentType }: Request,
): Promise<Answer> {
  const context = new RequestContext(url, method)
  context.setHeaderParam('accept', JSON_TYPE)
  if (body !== undefined) {
    context.setHeaderParam('content-type', contentType)
    context.setBody(JSON.stringify(body))
  }
  context.setSignal(AbortSignal.timeout(REQUEST_SECONDS * 1000))
  await config.applySecurityAuthentication(context)
  connections(context)
  const answer = await new IsomorphicFetchHttpLibrary().send(context).toPromise()
  return { status: answer.httpStatusCode, text: await answer.body.text() }
}

const KEEP_MS = 5 * 60 * 1000

/** The library makes new connections for each request; these are used again, until certificates may have been renewed. */
function keepConnections(clock: Clock): (context: RequestContext) => void {
  let kept: { dispatcher: ReturnType<RequestContext['getDispatcher']>; since: number } | undefined
  return (context) => {
    if (kept === undefined || clock.now() - kept.since > KEEP_MS)
      kept = { dispatcher: context.getDispatcher(), since: clock.now() }
    if (kept.dispatcher !== undefined) context.setDispatcher(kept.dispatcher)
  }
}

/** What undici says of a failed request is in the cause. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message || error.message : error.message
}
