/** The pipeline: what every request goes through, in this order, in every function. */
import { Failure } from '../failures.ts'
import { newId } from '../new-id.ts'
import { withSpan } from '../telemetry/spans.ts'
import type { Answer, Invocation, Request } from './invocation.ts'
import type { Runtime } from '../calls/runtime.ts'
import {
  authenticate,
  checkAffordance,
  checkHolon,
  checkIdempotencyKey,
  checkPermission,
  checkScopes,
  countByInput,
  countCall,
  limitAddress,
  limitRate,
  observe,
  readInput,
  rehearse,
} from './steps.ts'
import { checkImpersonation } from './check-impersonation.ts'
import { recordFailure, transact } from './transact.ts'

/** Who calls, whether it is too much, and what is meant. A request that fails here was never an invocation. */
const UNDERSTAND = [
  limitAddress,
  authenticate,
  limitRate,
  countCall,
  checkIdempotencyKey,
  checkHolon,
  readInput,
  countByInput,
  observe,
]
/** Whether it may, and then the work. From here on, each outcome leaves exactly one mark. */
const ACT = [checkImpersonation, checkAffordance, checkPermission, checkScopes, rehearse, transact]

/**
 * Answers one request.
 *
 * @throws Failure as the table has it; anything else is a bug
 */
export async function invoke(request: Request, runtime: Runtime): Promise<Answer> {
  const { endpoint, trace } = request
  return withSpan(
    endpoint.name,
    trace,
    () => attributesOf(request),
    async (own, add) => {
      const traced = own === trace ? request : { ...request, trace: own }
      const invocation: Invocation = { request: traced, runtime, startedAt: Date.now(), id: newId() }
      try {
        return await run(invocation)
      } finally {
        add(() => callerAttributesOf(invocation))
      }
    },
  )
}

async function run(invocation: Invocation): Promise<Answer> {
  for (const step of UNDERSTAND) await step(invocation)
  await act(invocation)
  if (invocation.answer === undefined) throw new Failure('INTERNAL', 'The pipeline came to no answer')
  return invocation.answer
}

/** For whom it was, once that is known; never which person, since spans are kept elsewhere. */
function callerAttributesOf({ identity, observer }: Invocation): Record<string, string> {
  return {
    ...(identity === undefined
      ? {}
      : { 'agentese.tenant_id': identity.tenant, 'agentese.tier': identity.tier }),
    ...(observer === undefined ? {} : { 'agentese.observer.archetype': observer.archetype }),
  }
}

/** The attributes of an aspect's span. */
function attributesOf({ endpoint: { aspect }, path = '' }: Request): Record<string, string | string[]> {
  if (aspect === undefined) return {}
  const [context = '', holon = '', verb = ''] = path.split('.')
  return {
    'agentese.path': path,
    'agentese.context': context,
    'agentese.holon': holon,
    'agentese.aspect': verb,
    'agentese.aspect_category': aspect.category,
    'agentese.effects': [...aspect.effects],
  }
}

async function act(invocation: Invocation): Promise<void> {
  try {
    for (const step of ACT) {
      await step(invocation)
      if (invocation.answer !== undefined) return
    }
  } catch (error) {
    recordFailure(invocation, error)
    throw error
  }
}
