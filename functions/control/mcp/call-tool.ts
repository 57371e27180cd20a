/** One call of a tool: as the caller, on the function that serves the path. */
import type { z } from 'zod'
import type { CallToolResult, InputRequiredResult } from '@modelcontextprotocol/server'
import { expandAlias } from '../../../shared/agentese/alias.ts'
import { whatIsWrong } from '../../../shared/contract/what-is-wrong.ts'
import { Failure } from '../../../shared/failures.ts'
import { aliasesOf } from '../logos/aliases.ts'
import { findPath } from '../logos/resolve.ts'
import { describePath, discoverPaths } from './explore.ts'
import { answerQuestion, questionIn, QuestionState } from './input.ts'
import { pinsOf } from './pins.ts'
import { answered, failed } from './results.ts'
import type { Serving } from './serving.ts'
import { createTask, resultWithin } from './tasks.ts'
import { DescribeInput, DiscoverInput, InvokeInput } from './tools.ts'

/** What the client of a call can do. */
export interface Client {
  /** Of revision 2025-11-25. */
  isLegacy: boolean
  /** Takes a task where the work goes on. */
  wantsTask: boolean
  /** Puts questions to its person. */
  elicits: boolean
  /** What it answered to earlier questions, and what it was given to remember with them; both are only its word. */
  responses: Record<string, unknown> | undefined
  state: string | undefined
}

type Answer = CallToolResult | InputRequiredResult

interface Wanted {
  name: string
  given: Record<string, unknown>
}

interface Invoking {
  path: string
  input: Record<string, unknown>
  archetype?: string | undefined
}

/** @throws Failure as the path fails, TYPE_MISMATCH for arguments, NOT_FOUND for a tool that the caller does not have */
export async function callTool({ name, given }: Wanted, client: Client, call: Serving): Promise<Answer> {
  if (name === 'discover') return discoverPaths(read(name, DiscoverInput, given), call)
  if (name === 'describe') return describePath(read(name, DescribeInput, given).path, call)
  const state = client.state === undefined ? undefined : QuestionState.parse(client.state)
  if (state !== undefined) return answerQuestion(state, client.responses ?? {}, call)
  return invoke(
    name === 'invoke' ? await invokingOf(given, call) : await pinned(name, given, call),
    client,
    call,
  )
}

async function invokingOf(given: Wanted['given'], call: Serving): Promise<Invoking> {
  const { path, ...rest } = read('invoke', InvokeInput, given)
  const own = await call.inOwn('read', ({ db, identity }) => aliasesOf(db, identity.user))
  return { path: expandAlias(path, own), ...rest }
}

async function pinned(name: string, input: Wanted['given'], call: Serving): Promise<Invoking> {
  const pin = (await pinsOf(call)).find((each) => each.name === name)
  if (pin !== undefined) return { path: pin.path, input }
  const { ProtocolError, ProtocolErrorCode } = await import('@modelcontextprotocol/server')
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    `Cannot find tool "${name}": tools/list names those that you have`,
  )
}

async function invoke({ path, input, archetype }: Invoking, client: Client, call: Serving): Promise<Answer> {
  const { definition } = await findPath(path, call)
  const { status, body } = await call.dispatch(
    {
      function: definition.name,
      path,
      input,
      archetype: archetype ?? call.requestedArchetype,
      idempotencyKey: call.idempotencyKey,
    },
    call,
  )
  if (status >= 400) return failed(body as object) // reason: problem details
  if (status === 202) {
    const { job } = body as { job: { id: string; status: string } }
    return client.wantsTask ? createTask(job.id, client.isLegacy, call) : resultWithin(job, call)
  }
  const { result } = body as { result: unknown }
  const question = client.elicits ? await questionIn(result, call) : undefined
  return question ?? answered(result, body as object)
}

function read<T>(tool: string, type: z.ZodType<T>, given: unknown): T {
  const parsed = type.safeParse(given)
  if (parsed.success) return parsed.data
  throw new Failure('TYPE_MISMATCH', `Cannot read the arguments of ${tool}: ${whatIsWrong(parsed.error)}`, {
    suggestion: 'tools/list has the schema',
  })
}
