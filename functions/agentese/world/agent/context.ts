/** What one step of a run shows its model: as much, whether it is the tenth or the thousandth. */
import { beginningOf } from '../../../../shared/beginning.ts'
import type { ChatMessage, ToolCall } from '../../../../shared/inference/messages.ts'
import { CHARACTERS_PER_TOKEN, MAX_HISTORY, MIN_HISTORY, STEP_TOKENS } from './limits.ts'

/** A row of `agent_steps`, as far as it is shown. */
export interface ShownStep {
  n: number
  kind: 'model' | 'tool'
  call_id: string | null
  output: string
  calls: ToolCall[]
}

export interface Shown {
  instructions: string
  /** What was asked of the agent. */
  input: string
  /** Empty where there are none. */
  memories: string
  /** The last ones, newest first. */
  steps: readonly ShownStep[]
  /** What the model reads besides, in characters: its tools. */
  besides: number
  /** Of the model, with its answer. */
  contextTokens: number
}

/** A model's answer with those of the tools that it called. */
interface Turn {
  answer: ShownStep
  tools: ShownStep[]
}

/** Instructions, input, and the last turns that fit: the newest one in any case, its answers cut where they must be. */
export function messagesOf({ instructions, input, memories, steps, ...size }: Shown): ChatMessage[] {
  const turns = turnsOf(steps)
  const fixed = instructions.length + memories.length + input.length + size.besides
  const free = (size.contextTokens - STEP_TOKENS) * CHARACTERS_PER_TOKEN - fixed
  const shown = lastThatFit(turns, Math.min(MAX_HISTORY, Math.max(MIN_HISTORY, free)))
  const isWhole = shown.length === turns.length && (turns[0]?.answer.n ?? 1) <= FIRST
  const system = isWhole ? instructions : `${instructions}\n\n${EARLIER}`
  return [
    { role: 'system', content: system },
    // Whoever wrote them, they are no instructions of the agent's.
    ...(memories === '' ? [] : [{ role: 'user' as const, content: memories }]),
    { role: 'user', content: input },
    ...shown.flatMap(messagesOfTurn),
  ]
}

const EARLIER = 'The first steps of this work are not shown any more.'
/** Rows that may come before the first answer: memories. */
const FIRST = 2

/** Oldest first. What is left of a turn whose answer was not read is dropped. */
function turnsOf(steps: readonly ShownStep[]): Turn[] {
  const turns: Turn[] = []
  for (const step of steps.toReversed()) {
    if (step.kind === 'model') turns.push({ answer: step, tools: [] })
    else turns.at(-1)?.tools.push(step)
  }
  return turns
}

function lastThatFit(turns: readonly Turn[], most: number): Turn[] {
  const newest = turns.at(-1)
  if (newest === undefined) return []
  const fitting = [fitted(newest, most)]
  let left = most - sizeOf(newest)
  for (const turn of turns.slice(0, -1).toReversed()) {
    left -= sizeOf(turn)
    if (left < 0) break
    fitting.unshift(turn)
  }
  return fitting
}

/** The same with its texts cut to equal parts of what there is, where it is too long as a whole. */
function fitted({ answer, tools }: Turn, most: number): Turn {
  if (sizeOf({ answer, tools }) <= most) return { answer, tools }
  const part = Math.floor(most / (1 + answer.calls.length + tools.length))
  const short = (step: ShownStep) =>
    step.output.length > part ? { ...step, output: `${beginningOf(step.output, part)}\n[Cut]` } : step
  // What is cut is no JSON any more, and some models read no other.
  const calls = answer.calls.map((call) =>
    call.arguments.length > part ? { ...call, arguments: '{}' } : call,
  )
  return { answer: { ...short(answer), calls }, tools: tools.map(short) }
}

function sizeOf({ answer, tools }: Turn): number {
  const called = answer.calls.reduce((sum, call) => sum + call.arguments.length + call.name.length, 0)
  return answer.output.length + called + tools.reduce((sum, { output }) => sum + output.length, 0)
}

function messagesOfTurn({ answer, tools }: Turn): ChatMessage[] {
  const { output: content, calls } = answer
  return [
    { role: 'assistant', content, ...(calls.length === 0 ? {} : { toolCalls: calls }) },
    ...tools.map(({ call_id, output }): ChatMessage => ({
      role: 'tool',
      content: output,
      toolCallId: call_id ?? 'call',
    })),
  ]
}
