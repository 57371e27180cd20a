/**
 * `logos` resolves: it takes any path or expression, finds the functions that serve it and calls them in the caller's
 * name. It also answers what paths there are. It runs no aspect itself.
 */
import { z } from 'zod'
import { parseExpression } from '../../shared/agentese/expression.ts'
import { Envelope, FinishedJob, Rehearsal } from '../../shared/contract/answers.ts'
import { Accepted, type Given } from '../../shared/contract/call.ts'
import { CONTEXTS, SEGMENT_SCHEMA } from '../../shared/agentese/path.ts'
import { allowOne } from '../../shared/contract/constraints.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { AnyObject } from '../../shared/contract/json-object.ts'
import { failureFrom } from '../../shared/failures.ts'
import { aliasRoutes } from './logos/aliases.ts'
import { CompositionResult, runComposition } from './logos/composition.ts'
import { beginComposition, compositionTriggers, compositionTick } from './logos/composition-job.ts'
import { MODES, planComposition, type Plan } from './logos/composition-plan.ts'
import { discoveryRoutes } from './logos/discovery.ts'
import { queryRoute } from './logos/query.ts'
import { expanderFor, findPath } from './logos/resolve.ts'

const Observer = z.strictObject({ archetype: z.string().max(64).optional() })

/** Characters of an expression; the grammar's own limits are narrower. */
const MAX_EXPRESSION = 10_000

/** What the dry run of a composition answers: that of all its stages together. */
const CompositionRehearsal = Rehearsal.omit({ category: true, permission: true, observer: true }).extend({
  stages: z.array(z.string()),
})

const ComposeInput = allowOne(
  z.strictObject({
    expression: z.string().max(MAX_EXPRESSION),
    /** Arguments of the first stage; what a composition without stages returns. */
    input: AnyObject.optional(),
    /** Arguments of each stage, in their order; instead of `input`. */
    inputs: z.array(AnyObject).max(20).optional(),
    mode: z.enum(MODES).default('fail-fast'),
    observer: Observer.optional(),
    dry_run: z.boolean().default(false),
  }),
  ['input', 'inputs'],
  'name input, of the first stage, or inputs, of each',
)

export const logos = defineOperation({
  name: 'logos',
  summary: 'Resolves AGENTESE paths and invokes them',
  routes: {
    ...discoveryRoutes,
    ...aliasRoutes,
    query: queryRoute,

    invoke: route({
      route: 'POST /v1/agentese/invoke',
      summary: 'Invoke a path or an expression as an observer',
      scopes: [],
      needs: ['postgres', 'catalog', 'functions', 'events'],
      input: z.strictObject({
        path: z.string().max(MAX_EXPRESSION),
        input: AnyObject.default({}),
        observer: Observer.optional(),
        dry_run: z.boolean().default(false),
      }),
      output: z.union([Envelope, FinishedJob, CompositionResult, Rehearsal, CompositionRehearsal]),
      examples: [
        { summary: 'A sip', input: { path: 'void.entropy.sip', input: { amount: 0.1 } } },
        {
          summary: 'By alias, and only to know what it would cost',
          input: { path: 'chaos.sip', dry_run: true },
        },
      ],
      transaction: false,
      streams: true,
      handle: ({ path, input, observer, dry_run }, call) =>
        invoke(
          path,
          { input, archetype: observer?.archetype ?? call.requestedArchetype, dryRun: dry_run },
          call,
        ),
    }),

    compose: route({
      route: 'POST /v1/agentese/compose',
      summary: 'Run paths one after the other: a >> b, or context.holon.pipe(aspect, aspect)',
      scopes: [],
      needs: ['postgres', 'catalog', 'functions', 'events'],
      input: ComposeInput,
      output: z.union([CompositionResult, FinishedJob, CompositionRehearsal]),
      examples: [
        {
          summary: 'Draw entropy, then read what remains',
          input: { expression: 'void.entropy.sip >> void.entropy.manifest' },
        },
      ],
      transaction: false,
      streams: true,
      async handle({ expression, input = {}, inputs = [input], mode, observer, dry_run }, call) {
        const parsed = parseExpression(expression, await expanderFor(expression, call))
        const archetype = observer?.archetype ?? call.requestedArchetype
        const plan = await planComposition({ expression: parsed, inputs, mode, archetype }, call)
        return run(plan, inputs[0] ?? {}, dry_run, call)
      },
    }),

    /** Paths whose handler has no route of its own come here and learn what there is instead. */
    invokeByUrl: route({
      route: 'POST /v1/agentese/:context/:holon/:aspect',
      summary: 'Invoke a path by its URL',
      scopes: [],
      needs: ['catalog', 'functions'],
      input: z.looseObject({
        context: z.string().meta({ enum: CONTEXTS }),
        holon: z.string().meta(SEGMENT_SCHEMA),
        aspect: z.string().meta(SEGMENT_SCHEMA),
      }),
      output: z.union([Envelope, FinishedJob]),
      transaction: false,
      streams: true,
      handle: ({ context, holon, aspect, ...input }, call) =>
        invokePath(
          `${context}.${holon}.${aspect}`,
          { input, archetype: call.requestedArchetype, dryRun: false },
          call,
        ) as Promise<Envelope | FinishedJob | Accepted>,
    }),
  },
  triggers: compositionTriggers,
  tick: compositionTick,
})

interface Invoking {
  input: Record<string, unknown>
  archetype: string | undefined
  dryRun: boolean
}

type Resolving = Given<'postgres' | 'catalog' | 'functions' | 'events', 'caller'>

type Invoked =
  | Envelope
  | FinishedJob
  | Rehearsal
  | CompositionResult
  | z.infer<typeof CompositionRehearsal>
  | Accepted

async function invoke(text: string, how: Invoking, call: Resolving): Promise<Invoked> {
  const expression = parseExpression(text, await expanderFor(text, call))
  const [only] = expression.stages
  if (expression.kind === 'path' && only !== undefined) return invokePath(only, how, call)
  const { input, archetype, dryRun } = how
  const plan = await planComposition({ expression, inputs: [input], mode: 'fail-fast', archetype }, call)
  return run(plan, input, dryRun, call)
}

async function invokePath(
  path: string,
  { input, archetype, dryRun }: Invoking,
  call: Given<'catalog' | 'functions', 'caller'>,
): Promise<Invoked> {
  const { definition } = await findPath(path, call)
  const { idempotencyKey } = call
  const request = { function: definition.name, path, input, idempotencyKey, archetype, dryRun }
  const { status, body, repeated } = await call.dispatch(request, call)
  if (repeated === true) call.repeats()
  if (status >= 400) throw failureFrom(body)
  if (status === 202) {
    const { job } = body as { job: { id: string; status: string } }
    return new Accepted(job.id, job.status)
  }
  return body as Envelope
}

async function run(plan: Plan, input: unknown, dryRun: boolean, call: Resolving): Promise<Invoked> {
  if (dryRun) return rehearsalOf(plan)
  if (plan.asynchronous) return beginComposition(plan, input, call)
  return runComposition(plan, input, call)
}

function rehearsalOf({
  expression,
  stages,
  effects,
  scopes,
  cost,
  asynchronous,
}: Plan): z.infer<typeof CompositionRehearsal> {
  return {
    path: expression,
    dry_run: true,
    effects: [...effects],
    scopes,
    cost: { ...cost },
    asynchronous,
    stages: stages.map(({ path }) => path),
  }
}
