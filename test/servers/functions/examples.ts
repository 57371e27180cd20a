/** Runs the examples of contracts: what a contract shows has to work, on a tenant that has nothing yet. */
import { catalog } from '../../../functions/catalog.ts'
import { placeExample } from '../../../functions/control/reference/routes.ts'
import { replaceFrom } from '../../../shared/contract/examples.ts'
import { isAspect, takesBody, type AspectFacts, type Example } from '../../../shared/contract/facts.ts'
import type { Endpoint, FunctionDefinition } from '../../../shared/contract/function.ts'
import { findAspect } from '../../../shared/contract/find-aspect.ts'
import type { Tenant, World } from './world.ts'

export interface KnownAspect {
  path: string
  definition: FunctionDefinition
  endpoint: Endpoint
  aspect: AspectFacts
}

/** Every aspect of the catalog. */
export const ASPECTS: KnownAspect[] = catalog.flatMap((definition) =>
  definition.endpoints.flatMap((endpoint) =>
    isAspect(endpoint) ? [{ path: endpoint.aspect.path, definition, endpoint, aspect: endpoint.aspect }] : [],
  ),
)

/** Every second address of an aspect. */
export const ROUTES: (Endpoint & { aspect: AspectFacts })[] = catalog
  .flatMap(({ endpoints }) => endpoints)
  .filter((endpoint) => endpoint.route !== undefined) as never // reason: only an aspect has such a route

/** Every operation of the catalog. */
export const OPERATIONS: Endpoint[] = catalog
  .flatMap(({ endpoints }) => endpoints)
  .filter(({ aspect }) => aspect === undefined)

/** A request that an operation understands: its first example, and where there is none, some id for each part of its URL. */
export function requestFor(endpoint: Endpoint): Parameters<Tenant['calls']> {
  const { method, path, examples, body } = endpoint
  const { path: named, rest } = placeExample(endpoint, examples[0] ?? { summary: '', input: {} })
  const ids = named as Record<string, string>
  const url = path.replaceAll(/:(\w+)/g, (_, name: string) => ids[name] ?? SOME_ID)
  if (!takesBody(endpoint))
    return [method, `${url}?${new URLSearchParams(rest as Record<string, string>).toString()}`]
  if (body !== 'cloudevents') return [method, url, rest]
  return [method, url, rest['events'], { 'content-type': 'application/cloudevents-batch+json' }]
}

const SOME_ID = '019a0000-0000-7000-8000-000000000000'

export interface Ran {
  status: number
  // oxlint-disable-next-line typescript/no-explicit-any -- reason: answers of every aspect
  body: any
  /** The input as it was sent, with the answers of earlier calls in it. */
  input: Record<string, unknown>
  /** Results of the calls that came first. */
  given: unknown[]
}

export function urlOf({ aspect }: Pick<KnownAspect, 'aspect'>, holon = 'example'): string {
  return `/v1/agentese/${aspect.path.replace('*', holon).replaceAll('.', '/')}`
}

type Sent = [method: string, url: string, body: Record<string, unknown> | undefined]

/** An input, by where a route takes it. */
function placeInput(endpoint: Endpoint, input: Record<string, unknown>): Sent {
  const { path, rest } = placeExample(endpoint, { summary: '', input })
  const url = endpoint.path.replaceAll(/:(\w+)/g, (_, name: string) => String(path[name]))
  if (takesBody(endpoint)) return [endpoint.method, url, rest]
  const query = new URLSearchParams(rest as Record<string, string>).toString()
  return [endpoint.method, query === '' ? url : `${url}?${query}`, undefined]
}

/** Headers with which an observer that has the verb calls. */
export function asAllowed({ archetypes }: AspectFacts): Record<string, string> {
  return archetypes === 'all' ? {} : { 'x-observer-archetype': archetypes[0] ?? 'guest' }
}

/** Runs an example with everything that it says must come first; a job is followed to its end. */
export async function runExample(
  { endpoint, aspect }: Pick<KnownAspect, 'endpoint' | 'aspect'>,
  example: Example,
  tenant: Tenant,
  settles: World['settles'],
): Promise<Ran> {
  const given: { result: unknown }[] = []
  for (const { path, input } of example.given ?? []) {
    const found = findAspect(catalog, path)
    if (found === undefined)
      throw new Error(`The example of ${endpoint.name} needs ${path}, which is not there`)
    const url = `/v1/agentese/${path.replaceAll('.', '/')}`
    const filled = fill(input, { given }) as object
    const answer = await finish(
      await tenant.calls('POST', url, filled, asAllowed(found.endpoint.aspect)),
      tenant,
      settles,
    )
    if (answer.status >= 400) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    given.push(answer.body)
  }
  const input = fill(example.template ?? example.input, { given }) as Record<string, unknown>
  const [method, url, body]: Sent =
    endpoint.route === undefined
      ? ['POST', urlOf({ aspect }, example.holon), input]
      : placeInput(endpoint, input)
  const answer = await finish(await tenant.calls(method, url, body, asAllowed(aspect)), tenant, settles)
  return { ...answer, input, given: given.map(({ result }) => result) }
}

/** The answer of a job when it has ended, in the envelope of an answer that came at once. */
async function finish(
  answer: Awaited<ReturnType<Tenant['calls']>>,
  tenant: Tenant,
  settles: World['settles'],
): Promise<Pick<Ran, 'status' | 'body'>> {
  const told = await settles(tenant, playModel)
  void told
  if (answer.status !== 202) return answer
  const { body } = await tenant.calls('GET', answer.body.links.self)
  const { job } = body
  return job.status === 'completed'
    ? {
        status: 200,
        body: { path: job.path, result: job.result, job: { id: job.id }, meta: { charges: job.charges } },
      }
    : { status: 500, body: job }
}

/** A model that answers in words, or with vectors that depend on the text alone. */
const playModel: Parameters<World['settles']>[1] = ({ request }) =>
  'texts' in request
    ? { vectors: request.texts.map(vectorOf), tokens: { prompt: request.texts.length, completion: 0 } }
    : { text: 'An answer of a few words.' }

function vectorOf(text: string): string {
  const vector = new Float32Array(256)
  for (const word of text.toLowerCase().match(/\w+/g) ?? []) {
    let hash = 7
    for (const letter of word) hash = (hash * 31 + letter.charCodeAt(0)) % 256
    vector[hash] = (vector[hash] ?? 0) + 1
  }
  const length = Math.hypot(...vector) || 1
  return Buffer.from(vector.map((value) => value / length).buffer).toString('base64')
}

/** Puts earlier answers in place of `{ $from: 'given.0.result.id' }`. */
function fill(value: unknown, scope: object): unknown {
  return replaceFrom(value, ({ $from }) =>
    $from.split('.').reduce((at: unknown, name) => (at as Record<string, unknown>)[name], scope),
  )
}
