/**
 * `logos` resolves: it takes any path, finds the function that serves it and calls that in the caller's name. It also
 * answers what paths there are. It runs no aspect itself.
 */
import { z } from 'zod'
import { CATEGORIES } from '../../shared/agentese/category.ts'
import { formatPath, parsePath, similarPaths, CONTEXTS } from '../../shared/agentese/path.ts'
import { Accepted, type Call } from '../../shared/contract/call.ts'
import { findAspect } from '../../shared/contract/find-aspect.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import type { AspectFacts, Endpoint, FunctionDefinition } from '../../shared/contract/function.ts'
import { Failure, failureFrom } from '../../shared/failures.ts'

const AnyInput = z.record(z.string(), z.unknown())

const Observer = z.strictObject({ archetype: z.string().max(64).optional() })

const Envelope = z.strictObject({
  path: z.string(),
  result: z.unknown(),
  meta: z.record(z.string(), z.unknown()),
})

const PathContract = z.strictObject({
  path: z.string(),
  summary: z.string(),
  category: z.string(),
  effects: z.array(z.string()),
  permission: z.string(),
  archetypes: z.union([z.literal('all'), z.array(z.string())]),
  asynchronous: z.boolean(),
  input: AnyInput,
  output: AnyInput,
  examples: z.array(z.strictObject({ summary: z.string(), input: AnyInput })),
})

export const logos = defineOperation({
  name: 'logos',
  summary: 'Resolves AGENTESE paths and invokes them',
  needs: ['redis', 'postgres', 'functions'],
  secrets: ['DATABASE_URL', 'DISPATCH_SIGNING_KEY'],
  routes: {
    discover: route({
      route: 'GET /v1/agentese/discover',
      summary: 'Every path with its contract',
      permission: 'agentese:read',
      input: z.strictObject({ context: z.enum(CONTEXTS).optional() }),
      output: z.strictObject({ paths: z.array(PathContract), total: z.int() }),
      transaction: false,
      handle({ context }, { platform }) {
        const paths = aspectsOf(platform.catalog)
          .filter(({ aspect }) => context === undefined || aspect.path.startsWith(`${context}.`))
          .map(({ endpoint, aspect }) => contractOf(endpoint, aspect))
          .sort((a, b) => a.path.localeCompare(b.path))
        return { paths, total: paths.length }
      },
    }),

    invoke: route({
      route: 'POST /v1/agentese/invoke',
      summary: 'Invoke a path as an observer',
      input: z.strictObject({
        path: z.string().max(1000),
        input: AnyInput.default({}),
        observer: Observer.optional(),
      }),
      output: Envelope,
      examples: [{ summary: 'A sip', input: { path: 'void.entropy.sip', input: { amount: 0.1 } } }],
      transaction: false,
      streams: true,
      handle: ({ path, input, observer }, call) =>
        invoke(path, input, observer?.archetype ?? call.asked, call),
    }),

    /** Paths whose handler has no route of its own come here and learn what there is instead. */
    invokeByUrl: route({
      route: 'POST /v1/agentese/:context/:holon/:aspect',
      summary: 'Invoke a path by its URL',
      input: z.looseObject({ context: z.string(), holon: z.string(), aspect: z.string() }),
      output: Envelope,
      transaction: false,
      streams: true,
      handle: ({ context, holon, aspect, ...input }, call) =>
        invoke(`${context}.${holon}.${aspect}`, input, call.asked, call),
    }),
  },
})

async function invoke(
  text: string,
  input: unknown,
  archetype: string | undefined,
  call: Call,
): Promise<z.infer<typeof Envelope> | Accepted> {
  const path = formatPath(parsePath(text))
  const request = {
    function: functionFor(path, call),
    path,
    input,
    idempotencyKey: call.idempotencyKey,
    archetype,
  }
  const { status, body } = await call.platform.dispatch(request, call)
  if (status >= 400) throw failureFrom(body)
  if (status === 202) {
    const { job } = body as { job: { id: string; status: string } }
    return new Accepted(job.id, job.status)
  }
  return body as z.infer<typeof Envelope>
}

function functionFor(path: string, { platform }: Call): string {
  const found = findAspect(platform.catalog, path)
  if (found !== undefined) return found.definition.name
  throw new Failure('NODE_NOT_REGISTERED', `Cannot find "${path}": no node serves it`, {
    suggestion: 'GET /v1/agentese/discover lists every path',
    available: similarPaths(
      path,
      aspectsOf(platform.catalog).map(({ aspect }) => aspect.path),
    ),
  })
}

function aspectsOf(catalog: readonly FunctionDefinition[]) {
  return catalog.flatMap(({ name, endpoints }) =>
    endpoints.flatMap((endpoint) =>
      endpoint.aspect === undefined ? [] : [{ function: name, endpoint, aspect: endpoint.aspect }],
    ),
  )
}

function contractOf(endpoint: Endpoint, aspect: AspectFacts): z.infer<typeof PathContract> {
  return {
    path: aspect.path,
    summary: endpoint.summary,
    category: aspect.category,
    effects: [...aspect.effects],
    permission: CATEGORIES[aspect.category].permission,
    archetypes: aspect.archetypes === 'all' ? 'all' : [...aspect.archetypes],
    asynchronous: endpoint.complete !== undefined,
    input: z.toJSONSchema(endpoint.input, { io: 'input' }),
    output: z.toJSONSchema(endpoint.output),
    examples: endpoint.examples.map((each) => ({ ...each })),
  }
}
