/** What one step of a run shows its model: as much, whether it is the tenth or the thousandth. */
import { beginningOf } from '../../../../shared/beginning.ts'
import type { ChatMessage, ToolCall } from '../../../../shared/inference/messages.ts'
import { HISTORY_CHARACTERS } from './limits.ts'

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
}

/** A model's answer with those of the tools that it called. */
interface Turn {
  answer: ShownStep
  tools: ShownStep[]
}

/** Instructions, input, and the last turns that fit: the newest one in any case, its answers cut where they must be. */
export function messagesOf({ instructions, input, memories, steps }: Shown): ChatMessage[] {
  const turns = turnsOf(steps)
  const shown = lastThatFit(turns)
  const isWhole = shown.length === turns.length && (turns[0]?.answer.n ?? 1) <= FIRST
  const system = [instructions, memories, isWhole ? '' : EARLIER].filter((part) => part !== '').join('\n\n')
  return [
    { role: 'system', content: system },
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

function lastThatFit(turns: readonly Turn[]): Turn[] {
  const newest = turns.at(-1)
  if (newest === undefined) return []
  const fitting = [fitted(newest)]
  let left = HISTORY_CHARACTERS - sizeOf(newest)
  for (const turn of turns.slice(0, -1).toReversed()) {
    left -= sizeOf(turn)
    if (left < 0) break
    fitting.unshift(turn)
  }
  return fitting
}

/** The same with its answers cut to equal parts of what there is, where it is too long as a whole. */
function fitted(turn: Turn): Turn {
  if (sizeOf(turn) <= HISTORY_CHARACTERS) return turn
  const most = Math.floor(HISTORY_CHARACTERS / 2 / (turn.tools.length + 1))
  const short = (step: ShownStep) => ({ ...step, output: beginningOf(step.output, most) })
  return { answer: short(turn.answer), tools: turn.tools.map(short) }
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
