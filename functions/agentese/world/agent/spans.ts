/** Spans of agents and tools, by OpenTelemetry's conventions for generative AI; without anything that was written. */
import { withSpan } from '../../../../shared/telemetry/spans.ts'
import type { TraceContext } from '../../../../shared/telemetry/trace.ts'

type Work<T> = (trace: TraceContext) => Promise<T>

/** Runs a part of an agent in the span `invoke_agent {name}`. A run that waits has one for each part, all in one trace. */
export function withAgentSpan<T>(
  { name, model, conversation }: { name: string; model?: string | undefined; conversation: string },
  parent: TraceContext,
  work: Work<T>,
): Promise<T> {
  const attributes = () => ({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': name,
    'gen_ai.conversation.id': conversation,
    ...(model === undefined ? {} : { 'gen_ai.request.model': model }),
  })
  return withSpan(`invoke_agent ${name}`, parent, attributes, work)
}

/** Runs a tool in the span `execute_tool {name}`; `id` is the one that the model gave the call. */
export function withToolSpan<T>(
  { name, id, conversation }: { name: string; id: string; conversation: string },
  parent: TraceContext,
  work: Work<T>,
): Promise<T> {
  const attributes = () => ({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': name,
    'gen_ai.tool.type': 'function',
    'gen_ai.tool.call.id': id,
    'gen_ai.conversation.id': conversation,
  })
  return withSpan(`execute_tool ${name}`, parent, attributes, work)
}
