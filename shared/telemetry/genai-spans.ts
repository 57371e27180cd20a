/**
 * Spans of agents and tools, and attributes of those of model calls, by OpenTelemetry's conventions for generative AI
 * (semantic-conventions-genai 0.1.0). Nothing that people, models or tools wrote is in them: no prompt, answer, argument or result.
 */
import type { Attributes } from '@opentelemetry/api'
import { withSpan } from './spans.ts'
import type { RunInSpan } from './tracer.ts'

/** Runs `work` below a trace, as `withSpan` does. */
type Work<T> = Parameters<typeof withSpan<T>>[3]
type Parent = Parameters<RunInSpan>[1]

/** An agent, as it is run: `model` is the one that it asks for, `conversation` the session that the run belongs to. */
export interface AgentRun {
  name: string
  model?: string | undefined
  conversation?: string | undefined
}

/** A call of a tool by an agent; `id` is the one that the model gave the call. */
export interface ToolRun {
  name: string
  id?: string | undefined
  conversation?: string | undefined
}

/** Runs a part of an agent in the span `invoke_agent {name}`. A run that waits has one for each part, all in one trace. */
export function withAgentSpan<T>(run: AgentRun, parent: Parent, work: Work<T>): Promise<T> {
  const attributes = () => ({
    'gen_ai.operation.name': 'invoke_agent',
    'gen_ai.agent.name': run.name,
    ...given('gen_ai.request.model', run.model),
    ...given('gen_ai.conversation.id', run.conversation),
  })
  return withSpan(`invoke_agent ${run.name}`, parent, attributes, work, 'internal')
}

/** Runs a tool in the span `execute_tool {name}`. */
export function withToolSpan<T>(run: ToolRun, parent: Parent, work: Work<T>): Promise<T> {
  const attributes = () => ({
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': run.name,
    'gen_ai.tool.type': 'function',
    ...given('gen_ai.tool.call.id', run.id),
    ...given('gen_ai.conversation.id', run.conversation),
  })
  return withSpan(`execute_tool ${run.name}`, parent, attributes, work, 'internal')
}

/** Of a chat request, what is not content. */
export interface ChatSettings {
  maxTokens: number
  temperature: number
  topP?: number | undefined
  seed?: number | undefined
  session?: string | undefined
  responseSchema?: object | undefined
}

/** The parameters of a chat request as attributes of the span `chat {model}`. */
export function chatAttributes(request: ChatSettings): Attributes {
  const { maxTokens, temperature, topP, seed, session, responseSchema } = request
  return {
    'gen_ai.request.max_tokens': maxTokens,
    'gen_ai.request.temperature': temperature,
    'gen_ai.request.stream': true,
    'gen_ai.output.type': responseSchema === undefined ? 'text' : 'json',
    ...given('gen_ai.request.top_p', topP),
    ...given('gen_ai.request.seed', seed),
    ...given('gen_ai.conversation.id', session),
  }
}

function given(name: string, value: string | number | undefined): Attributes {
  return value === undefined ? {} : { [name]: value }
}
