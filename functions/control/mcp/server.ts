/** What of MCP is served: tools, and the jobs of their calls as tasks. */
import type * as Sdk from '@modelcontextprotocol/server'
import type { ClientCapabilities, ServerContext } from '@modelcontextprotocol/server'
import { asFailure } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'
import { problemMembers } from '../../../shared/problem.ts'
import { VERSION } from '../../../shared/version.ts'
import { callTool, type Client } from './call-tool.ts'
import { failed } from './results.ts'
import type { Serving } from './serving.ts'
import { cancelTask, getTask, listTasks, taskResult, TaskCursor, TaskId, updateTask } from './tasks.ts'
import { listTools } from './tools.ts'

/** The extension by which revision 2026-07-28 has tasks; 2025-11-25 has them in its core. */
const TASKS = 'io.modelcontextprotocol/tasks'
const CLIENT_CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'

const INSTRUCTIONS =
  'Paths are context.holon.aspect. Find them with discover, read what one takes with describe, and call it with invoke.'

/** A server for one message. */
export function createServer(sdk: typeof Sdk, isLegacy: boolean, call: Serving) {
  const server = new sdk.Server(
    { name: 'kgents', version: VERSION },
    { capabilities: { tools: {}, ...tasksOf(isLegacy) }, instructions: INSTRUCTIONS },
  )
  const guard = guardOf(sdk, call)
  server.setRequestHandler('tools/list', () => guard(() => listTools(isLegacy, call)))
  server.setRequestHandler('tools/call', ({ params }, context) =>
    guard(async () => {
      const { name, arguments: given = {} } = params
      return callTool({ name, given }, clientOf(isLegacy, params, context), call).catch((error: unknown) =>
        failedAs(error),
      )
    }),
  )
  server.setRequestHandler('tasks/get', { params: TaskId }, ({ taskId }) =>
    guard(() => getTask(taskId, isLegacy, call)),
  )
  server.setRequestHandler('tasks/cancel', { params: TaskId }, ({ taskId }) =>
    guard(() => cancelTask(taskId, isLegacy, call)),
  )
  if (isLegacy) {
    server.setRequestHandler('tasks/result', { params: TaskId }, ({ taskId }) =>
      guard(() => taskResult(taskId, call)),
    )
    server.setRequestHandler('tasks/list', { params: TaskCursor }, (page) =>
      guard(() => listTasks(page, call)),
    )
  } else {
    server.setRequestHandler('tasks/update', { params: TaskId }, ({ taskId }, { mcpReq }) =>
      guard(() => updateTask(taskId, mcpReq.inputResponses ?? {}, call)),
    )
  }
  return server
}

function tasksOf(isLegacy: boolean) {
  return isLegacy
    ? { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }
    : { extensions: { [TASKS]: {} } }
}

/** What the client of a message can do, as it says with that message: nothing is remembered of it. */
function clientOf(isLegacy: boolean, params: object, { mcpReq }: ServerContext): Client {
  const envelope = mcpReq.envelope as Record<string, unknown> | undefined // reason: the SDK does not index it by its own names
  const { extensions, elicitation } = (envelope?.[CLIENT_CAPABILITIES] ?? {}) as ClientCapabilities
  const wantsTask = isLegacy
    ? 'task' in params && params.task !== undefined
    : extensions?.[TASKS] !== undefined
  const state = mcpReq.requestState()
  return {
    isLegacy,
    wantsTask,
    // An empty object is that of before there were other modes than forms.
    elicits:
      !isLegacy &&
      elicitation !== undefined &&
      (elicitation.form !== undefined || elicitation.url === undefined),
    responses: mcpReq.inputResponses,
    state: typeof state === 'string' ? state : undefined,
  }
}

/** A failure of a tool is its result; anything else is not. */
function failedAs(error: unknown) {
  const known = asFailure(error)
  if (known instanceof Failure && known.category !== 'INTERNAL') return failed(problemMembers(known))
  throw error
}

/** Failures leave as errors of the protocol, and of anything else no more than that it happened. */
function guardOf({ ProtocolError, ProtocolErrorCode }: typeof Sdk, { log, trace }: Serving) {
  return async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (error instanceof ProtocolError) throw error
      const known = asFailure(error)
      if (known instanceof Failure && known.category !== 'INTERNAL') {
        const code = known.status < 500 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError
        throw new ProtocolError(code, known.message, problemMembers(known))
      }
      log.error({ err: error, trace_id: trace.traceId, path: '/mcp' }, 'a request failed by a bug')
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'Something went wrong on our side', {
        trace_id: trace.traceId,
      })
    }
  }
}
