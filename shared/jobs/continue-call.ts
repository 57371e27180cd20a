/** Goes on with a call whose job has ended: with what the model answered, or with why it gave no answer. */
import { deadlineOf } from '../calls/deadline.ts'
import { CATEGORIES } from '../agentese/category.ts'
import type { Observer } from '../agentese/observer.ts'
import type { Pending } from '../calls/call-parts.ts'
import { createCall } from '../calls/create-call.ts'
import { JobCall } from '../calls/job-call.ts'
import type { FunctionDefinition } from '../contract/function.ts'
import { Failure } from '../failures.ts'
import type { Completion } from '../inference/messages.ts'
import { decodeVector } from '../inference/vectors.ts'
import { readTraceparent } from '../telemetry/trace.ts'
import { addPlan } from '../identity/with-plan.ts'
import { prepareJob } from './queue-job.ts'
import type { JobContext, JobRow } from './write-ending.ts'

/** What a model came to; with `failed`, why it gave no answer. */
export type Outcome = Pick<
  Completion,
  | 'text'
  | 'tokens'
  | 'vectors'
  | 'unread'
  | 'model'
  | 'finishReason'
  | 'server'
  | 'toolCalls'
  | 'messageTokens'
> &
  Partial<Pick<Completion, 'durationSeconds' | 'computeSeconds'>> & {
    failed?: string
  }

/**
 * Runs the endpoint's `complete`, or its `recover` where there was no answer. Where the aspect is read-only, so is its
 * continuation: whatever it did to the database is rolled back.
 */
export function continueCall(
  context: JobContext,
  job: JobRow,
  outcome: Outcome,
  pending: Pending,
): Promise<unknown> {
  const call = JobCall.parse(job.call)
  return (mayWrite(call) ? run : look)(context, job, call, outcome, pending)
}

function mayWrite({ aspect }: JobCall): boolean {
  return aspect !== undefined && CATEGORIES[aspect.category].writes
}

/** As `run`, in a savepoint that refuses writes; rolling it back ends the refusal. */
const look: typeof run = async (context, ...rest) => {
  const rolledBack = new Error('Rolls back the read-only continuation')
  let result: unknown
  await context.db
    .savepoint(async (db) => {
      await db`set local transaction_read_only = on`
      result = await run({ ...context, db }, ...rest)
      throw rolledBack
    })
    .catch((error: unknown) => {
      if (error !== rolledBack) throw error
    })
  return result
}

async function run(
  { runtime, db, signal }: JobContext,
  job: JobRow,
  jobCall: JobCall,
  { vectors = [], unread = [], failed, ...answer }: Outcome,
  pending: Pending,
): Promise<unknown> {
  const { archetype, input, traceparent } = jobCall
  const identity = await addPlan(jobCall.identity, runtime.findPlan)
  const { definition, endpoint } = endpointOf(runtime.functions, jobCall.endpoint)
  const trace = readTraceparent(traceparent)
  const parsed = endpoint.input.parse(input)
  const requester = {
    runtime,
    function: definition,
    endpoint,
    path: job.path,
    identity,
    archetype,
    input: parsed,
    trace,
    startedAt: Date.now(),
    queueing: { priority: jobCall.priority, deadline: jobCall.deadline },
  }
  const call = createCall({
    ...requester,
    needs: endpoint.needs,
    id: job.id,
    observer: { user: identity.user, archetype, capabilities: [] } as Observer,
    db,
    pending,
    mayWrite: mayWrite(jobCall),
    deadline: deadlineOf(signal),
    infer: (inference, options) => prepareJob(inference, options, requester, pending),
  })
  if (failed !== undefined) return endpoint.recover?.({ input: parsed, job: job.id, reason: failed }, call)
  const read = vectors.map((vector, at) => (unread.includes(at) ? undefined : decodeVector(vector)))
  const { text, tokens, model, finishReason, toolCalls = [], messageTokens } = answer
  const completed = {
    input: parsed,
    job: job.id,
    text,
    tokens,
    model,
    vectors: read,
    finishReason,
    toolCalls,
    messageTokens,
  }
  return endpoint.complete?.(completed, call)
}

function endpointOf(functions: readonly FunctionDefinition[], name: string) {
  for (const definition of functions) {
    const endpoint = definition.endpoints.find((each) => each.name === name)
    if (endpoint?.complete !== undefined) return { definition, endpoint }
  }
  throw new Failure('NODE_NOT_REGISTERED', `Cannot go on with "${name}": it is not served here`)
}
